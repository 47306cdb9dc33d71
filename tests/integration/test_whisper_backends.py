"""Both back ends of Whisper on the CPU: they make the same decisions and write nearly the same texts."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import jiwer
import pytest
import torch
from whisper_normalizer.basic import BasicTextNormalizer

from src.config import Settings
from src.engines.base import Audio
from src.engines.whisper import quality_check, row, row_policy
from src.engines.whisper.ctranslate2_model import CTranslate2Model
from src.engines.whisper.ctranslate2_runner import CTranslate2Runner
from src.engines.whisper.features import Features, window_for
from src.engines.whisper.loop import LoopRunner, probe
from src.engines.whisper.quality_check import QualityIssue
from src.engines.whisper.row import BEAM, Guesses, Outcome, WhisperRow
from src.engines.whisper.row_policy import Attempt, RowPolicy
from src.engines.whisper.vocabulary import Vocabulary
from src.weights.store import ModelStore
from tests.support.speech import clip, noise, seconds

pytestmark = pytest.mark.models

SAID = {
    "en-agent": "That agent is already logged on. Please enter your agent number followed by the pound key.",
    "en-extended": "The conference has been extended.",
    "es-agent": "Ese agente ya ha sido autenticado. Por favor ingrese su número de agente seguido por la "
    "tecla de número.",
    "es-expelled": "Ha sido expulsado por el sistema de esta conferencia.",
}

Runner = LoopRunner | CTranslate2Runner


@pytest.fixture(scope="module")
def folder(make_settings: Callable[..., Settings]) -> Path:
    return ModelStore(make_settings().models_dir).whisper("base").folder


@dataclass
class Decoded:
    """What one back end made of some rows."""

    texts: list[str]
    languages: list[str]
    attempts: list[list[Attempt]]


class Both:
    """The two back ends on the same weights."""

    def __init__(self, folder: Path) -> None:
        model = CTranslate2Model(folder, "cpu", "float32", 2, 2)
        vocabulary = Vocabulary(folder, model.multilingual)
        self._features = Features(folder, model.mels)
        self.load = lambda: (model, vocabulary)
        self._runners: tuple[Runner, Runner] = (
            LoopRunner(lambda: vocabulary, folder, probe("float32", folder), 16, 2),
            CTranslate2Runner(self.load, 8),
        )

    def __enter__(self) -> Self:
        for runner in self._runners:
            runner.open()
        return self

    def __exit__(self, *_: object) -> None:
        for runner in self._runners:
            runner.close()

    def row(self, audio: Audio, **options: object) -> WhisperRow:
        mel = self._features(audio)
        given = {"language": None, "window": window_for(mel.shape[1]), "beam": BEAM} | options
        return WhisperRow(mel=mel, duration=seconds(audio), **given)  # type: ignore[arg-type]

    def decode(self, *rows: WhisperRow) -> tuple[Decoded, Decoded]:
        loop, batches = (_decode(runner, rows) for runner in self._runners)
        return loop, batches


def _decode(runner: Runner, rows: Sequence[WhisperRow]) -> Decoded:
    """Drive a back end as the batcher does."""
    policies: dict[int, RowPolicy] = {}
    begin = RowPolicy.__init__

    def recorded(self: RowPolicy, row: WhisperRow, multilingual: bool) -> None:
        begin(self, row, multilingual)
        policies[id(row)] = self

    done: dict[int, Outcome] = {}
    waiting = list(enumerate(rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RowPolicy, "__init__", recorded)
        while len(done) < len(rows):
            joining = set(runner.admit([row for _, row in waiting]) if waiting else ())
            for index in joining:
                runner.add(*waiting[index])
            waiting = [one for index, one in enumerate(waiting) if index not in joining]
            for job_id, outcome in runner.step() or ():
                assert isinstance(outcome, Outcome)
                done[job_id] = outcome
    outcomes = [done[job_id] for job_id in range(len(rows))]
    return Decoded(
        [one.decoded.text if one.decoded else "" for one in outcomes],
        [one.languages[0][0] for one in outcomes],
        [policies[id(row)].attempts for row in rows],
    )


@pytest.fixture(scope="module")
def both(folder: Path) -> Iterator[Both]:
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        # it takes five seconds, and these tests measure no time
        patch.setattr(CTranslate2Model, "warm", lambda *_: None)
        with Both(folder) as backends:
            yield backends
    torch.set_num_threads(threads)


def word_error_rate(names: Iterable[str], texts: Sequence[str]) -> float:
    """Per cent of the words of the clips `names`."""
    plain = BasicTextNormalizer(remove_diacritics=True)
    said = [plain(SAID[name]).strip() for name in names]
    return 100 * float(jiwer.wer(said, [plain(text).strip() for text in texts]))


def test_the_recorded_clips_get_the_same_decisions_and_texts(both: Both) -> None:
    loop, batches = both.decode(*(both.row(clip(name)) for name in SAID))
    assert loop.attempts == batches.attempts
    assert loop.languages == batches.languages == [name[:2] for name in SAID]
    assert abs(word_error_rate(SAID, loop.texts) - word_error_rate(SAID, batches.texts)) <= 0.3
    assert word_error_rate(SAID, loop.texts) < 10


def test_a_beam_that_opens_late_reads_the_recorded_clips_as_well(both: Both) -> None:
    names = ("en-agent", "en-extended", "es-expelled")
    loop, batches = both.decode(*(both.row(clip(name), beam=None) for name in names))
    assert loop.languages == batches.languages
    assert abs(word_error_rate(names, loop.texts) - word_error_rate(names, batches.texts)) <= 0.3


def test_clips_with_noise_get_the_same_decisions(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise makes texts doubtful. Sampled texts would differ, so there is one temperature."""
    monkeypatch.setattr(row_policy, "TEMPERATURES", (0.0,))
    rows = []
    for name, loudness in (("en-extended", 0.25), ("es-expelled", 0.1)):
        audio = clip(name)
        rows.append(both.row(audio + noise(seconds(audio), loudness)[: len(audio)]))
    loop, batches = both.decode(*rows)
    assert loop.attempts == batches.attempts
    assert loop.texts == batches.texts
    # one is read again in the full window, the other in other languages
    assert all(len(attempts) > 1 for attempts in loop.attempts)


def test_a_doubtful_row_gets_the_same_windows_and_temperatures(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_issue(decoded: row.Decoded, *_: object, **__: object) -> QualityIssue | None:
        return QualityIssue.LOGPROB if decoded.temperature < 0.4 else None

    monkeypatch.setattr(quality_check, "find_issue", find_issue)
    one = both.row(clip("en-extended"), language="en")
    loop, batches = both.decode(one)
    assert loop.attempts == batches.attempts
    assert [(attempt.window, attempt.temperature) for attempt in loop.attempts[0]] == [
        (one.window, 0.0),
        (3000, 0.0),
        (3000, 0.2),
        (3000, 0.4),
    ]


def test_an_unsure_language_is_settled_by_the_text(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(_: object, __: object) -> Guesses:
        return (("it", 0.6), ("es", 0.3), ("la", 0.1))

    monkeypatch.setattr(row_policy, "rank_languages", wrong)
    monkeypatch.setattr(quality_check, "_UNSURE_TEXT", 0.0)
    loop, batches = both.decode(both.row(clip("es-agent")))
    assert loop.attempts == batches.attempts
    assert [one.language for one in loop.attempts[0]] == ["it", "es"]
    assert loop.languages == batches.languages == ["es"]
    assert loop.texts == batches.texts


@pytest.fixture(scope="module")
def side_by_side(both: Both) -> Iterator[CTranslate2Runner]:
    """Decodes batches of short rows on threads, as on a GPU."""
    runner = CTranslate2Runner(both.load, 8, short_batches=2)
    runner.open()
    yield runner
    runner.close()


def test_batches_of_short_rows_are_read_side_by_side(both: Both, side_by_side: CTranslate2Runner) -> None:
    """Rows of different windows cannot share a batch."""
    names = ["en-extended", "es-expelled"]
    rows = [both.row(clip(name)) for name in names]
    assert rows[0].window != rows[1].window
    found = _decode(side_by_side, rows)
    plain = BasicTextNormalizer(remove_diacritics=True)
    assert [plain(text).strip() for text in found.texts] == [plain(SAID[name]).strip() for name in names]
    assert found.languages == ["en", "es"]


def test_a_batch_that_raises_is_tried_row_by_row(
    both: Both, side_by_side: CTranslate2Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate = CTranslate2Model.generate

    def small_batches(
        self: CTranslate2Model, encoded: Any, prompts: list[list[int]], *rest: Any, **more: Any
    ) -> Any:
        if len(prompts) > 1:
            raise RuntimeError("out of memory")
        return generate(self, encoded, prompts, *rest, **more)

    monkeypatch.setattr(CTranslate2Model, "generate", small_batches)
    found = _decode(side_by_side, [both.row(clip("en-extended"), language="en") for _ in range(2)])
    assert [text.strip() for text in found.texts] == [SAID["en-extended"]] * 2
