"""Our own decoder against CTranslate2's, on the same weights."""

import gc
import struct
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from src.config import Settings
from src.engines.kernels import (
    Rows,
    alignment,
    attention,
    byte_attention,
    byte_rows,
    encoder_attention,
    rows,
    sampling,
)
from src.engines.kernels.sampling import BLOCK
from src.engines.linear import MatMulFloat32
from src.engines.whisper import quality_check, row_policy
from src.engines.whisper.ctranslate2_model import CTranslate2Model
from src.engines.whisper.features import Features, window_for
from src.engines.whisper.loop import LoopRunner, decode_state, probe
from src.engines.whisper.loop.decode_state import DecodeState
from src.engines.whisper.loop.decoder import DecoderInput, WhisperDecoder
from src.engines.whisper.loop.encoder import WhisperEncoder
from src.engines.whisper.loop.layers import LayerBuilder
from src.engines.whisper.loop.logit_filter import LogitFilter
from src.engines.whisper.loop.search import Rival
from src.engines.whisper.loop.weights import read
from src.engines.whisper.quality_check import QualityIssue
from src.engines.whisper.row import BEAM, FULL_WINDOW, Decoded, Guesses, Outcome, WhisperRow
from src.engines.whisper.vocabulary import SAMPLES_PER_TIMESTAMP, Vocabulary
from src.engines.worker_pool import Task, WorkerPool
from src.errors import EngineFailed, ModelUnavailable
from src.weights.store import ModelStore
from tests.support.speech import clip, noise, seconds
from tests.support.speech_text import word_error_rate

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def folder(make_settings: Callable[..., Settings]) -> Path:
    return ModelStore(make_settings().models_dir).whisper("base").folder


@pytest.fixture(scope="module")
def exact(folder: Path) -> CTranslate2Model:
    return CTranslate2Model(folder, "cpu", "float32", 2, 2)


@pytest.fixture(scope="module")
def vocabulary(folder: Path) -> Vocabulary:
    return Vocabulary(folder, multilingual=True)


Loops = Callable[[str], LoopRunner]


@pytest.fixture(scope="module")
def loops(folder: Path, vocabulary: Vocabulary) -> Iterator[Loops]:
    """A runner of each compute type, opened when it is first asked for: that takes seconds."""
    threads = torch.get_num_threads()
    with ExitStack() as stack:

        @cache
        def loop(compute_type: str) -> LoopRunner:
            runner = LoopRunner(lambda: vocabulary, folder, probe(compute_type, folder), 16, 2)
            stack.callback(runner.close)
            runner.open()
            return runner

        yield loop
    torch.set_num_threads(threads)


def row(folder: Path, model: CTranslate2Model, name: str, **options: object) -> WhisperRow:
    audio = clip(name)
    mel = Features(folder, model.mels)(audio)
    given = {"language": name[:2], "window": window_for(mel.shape[1]), "beam": BEAM} | options
    return WhisperRow(mel=mel, duration=seconds(audio), **given)  # type: ignore[arg-type]


def run(runner: LoopRunner, *rows: WhisperRow) -> list[Outcome]:
    for job_id, one in enumerate(rows):
        runner.add(job_id, one)
    done: dict[int, Outcome | Exception] = {}
    while len(done) < len(rows):
        done |= dict(runner.step() or ())
    found = [done[job_id] for job_id in range(len(rows))]
    assert all(isinstance(one, Outcome) for one in found)
    return found  # type: ignore[return-value]


def written(runner: LoopRunner, *rows: WhisperRow) -> list[Decoded]:
    found = [one.decoded for one in run(runner, *rows)]
    assert None not in found
    return found  # type: ignore[return-value]


OPTIONS: dict[str, tuple[str, dict[str, object]]] = {
    "plain": ("en-agent", {}),
    "full window": ("es-agent", {"window": FULL_WINDOW}),
    "prompt": ("en-extended", {"prompt": "Voz, a telephone exchange"}),
    "long prompt": ("es-agent", {"prompt": "Voz, una centralita con extensiones, colas y menús. " * 9}),
    "translation": ("es-expelled", {"task": "translate"}),
    "another language": ("en-extended", {"language": "es"}),
    "no beam": ("es-expelled", {"beam": 1}),
    "narrow beam": ("es-expelled", {"beam": 3}),
    "no timestamps": ("es-agent", {"timed": False}),
}


@pytest.mark.parametrize(
    "names",
    [
        # what an option changes depends on no instruction
        pytest.param(["plain", "translation"], marks=pytest.mark.instructions),
        ["full window", "prompt", "another language", "no beam", "narrow beam"],
        ["no timestamps"],
        ["long prompt", "plain"],
    ],
    ids=", ".join,
)
def test_in_float32_it_writes_what_ctranslate2_writes(
    folder: Path,
    exact: CTranslate2Model,
    vocabulary: Vocabulary,
    monkeypatch: pytest.MonkeyPatch,
    loops: Loops,
    names: list[str],
) -> None:
    monkeypatch.setattr(quality_check, "find_issue", lambda *_, **__: None)
    rows = []
    for name, options in (OPTIONS[name] for name in names):
        prompt = vocabulary.previous(str(options["prompt"])) if "prompt" in options else ()
        rows.append(row(folder, exact, name, **options | {"prompt": prompt}))
    ours = written(loops("float32"), *rows)
    for one, mine in zip(rows, ours, strict=True):
        encoded = exact.encode([one.mel], one.window)
        start = vocabulary.start(one.language or "", one.task, one.prompt)
        [theirs] = exact.generate(
            encoded, [start], one.most_tokens, 0.0, vocabulary, one.beam or BEAM, timed=one.timed
        )
        assert mine.text == theirs.text
        assert mine.tokens == theirs.tokens
        assert mine.avg_logprob == pytest.approx(theirs.avg_logprob, abs=1e-3)
        assert mine.no_speech_prob == pytest.approx(theirs.no_speech_prob, abs=1e-4)


@pytest.mark.parametrize("before", [0, 60])
def test_text_ends_at_its_bound(
    folder: Path,
    exact: CTranslate2Model,
    vocabulary: Vocabulary,
    monkeypatch: pytest.MonkeyPatch,
    before: int,
    loops: Loops,
) -> None:
    monkeypatch.setattr(quality_check, "find_issue", lambda *_, **__: None)
    monkeypatch.setattr(WhisperRow, "most_tokens", 7)
    prompt = vocabulary.previous("one, two, three, " * (before // 3)) if before else ()
    one = row(folder, exact, "en-agent", prompt=prompt)
    runner = loops("int8")
    [ours] = written(runner, one)
    start = vocabulary.start("en", one.task, one.prompt)
    [theirs] = exact.generate(exact.encode([one.mel], one.window), [start], 7, 0.0, vocabulary)
    assert len(ours.tokens) == len(theirs.tokens) == 7


def test_in_float32_languages_are_as_likely_as_ctranslate2_says(
    folder: Path, exact: CTranslate2Model, vocabulary: Vocabulary, loops: Loops
) -> None:
    one = row(folder, exact, "es-expelled", language=None, detect_only=True)
    [theirs] = exact.languages(exact.encode([one.mel], one.window))
    runner = loops("float32")
    [found] = run(runner, one)
    assert found.decoded is None
    assert dict(found.languages) == pytest.approx(theirs, abs=1e-4)


@pytest.mark.instructions
def test_a_row_is_the_same_to_the_bit_alone_and_in_a_batch(
    folder: Path, exact: CTranslate2Model, vocabulary: Vocabulary, loops: Loops
) -> None:
    long, short, other = rows = [
        row(folder, exact, name) for name in ("en-agent", "en-extended", "es-expelled")
    ]
    runner = loops("int8")
    alone = [written(runner, one)[0] for one in rows]
    # a wide batch, which becomes a narrow one when the short rows are done
    batch = written(runner, long, *[short] * 12, other, long)
    assert batch == [alone[0], *[alone[1]] * 12, alone[2], alone[0]]


@pytest.mark.parametrize("refused", [False, True], ids=["once", "all temperatures"])
def test_a_long_prompt_is_read_before_the_first_step_and_changes_nothing(
    folder: Path,
    exact: CTranslate2Model,
    vocabulary: Vocabulary,
    monkeypatch: pytest.MonkeyPatch,
    loops: Loops,
    refused: bool,
) -> None:
    prompt = vocabulary.previous("Voz, a telephone exchange with queues and menus. " * 16)
    options: dict[str, Any] = {"prompt": prompt, "words": True, "beam": None}
    rows = [row(folder, exact, "en-extended", **options), row(folder, exact, "es-agent", **options)]
    if refused:
        monkeypatch.setattr(quality_check, "find_issue", lambda *_, **__: QualityIssue.COMPRESSION)
        rows = rows[:1]
    runner, step, most = loops("int8"), WhisperDecoder.step, 0

    def spy(self: WhisperDecoder, inputs: Sequence[DecoderInput], wanted: Sequence[int]) -> Rows:
        nonlocal most
        if wanted:
            most = max(most, *(len(one.tokens) for one in inputs))
        return step(self, inputs, wanted)

    monkeypatch.setattr(WhisperDecoder, "step", spy)
    early = run(runner, *rows)
    assert len(prompt) > 128 > most  # two parts, and what is aligned
    monkeypatch.setattr(decode_state, "_LONG_PROMPT", len(prompt) + 1)
    in_step = run(runner, *rows)
    assert most > len(prompt)
    assert [replace(one, engine_seconds=0.0) for one in early] == [
        replace(one, engine_seconds=0.0) for one in in_step
    ]


def test_a_draft_saves_steps_and_changes_nothing_else(
    folder: Path, exact: CTranslate2Model, loops: Loops
) -> None:
    runner = loops("int8")

    def read(forced: tuple[int, ...], draft: tuple[int, ...] = ()) -> tuple[Decoded, int]:
        before = runner.stats.steps
        [found] = written(runner, row(folder, exact, "en-extended", forced=forced, draft=draft))
        return found, runner.stats.steps - before

    text = read(())[0].tokens
    assert len(text) > 5
    wrong = text[3] + 1
    drafts = [
        ((), text, len(text)),
        (text[:3], text[3:], len(text) - 3),
        ((), (*text[:4], wrong, *text[5:]), 4),
        (text[:1], (wrong,), 0),
        (text[:2], (*text[2:], *text), len(text) - 2),
        (text[:2], (*text[2:5], wrong), 3),
    ]
    for forced, draft, right in drafts:
        alone, steps = read(forced)
        found, fewer = read(forced, draft)
        assert (found.tokens, found.positions) == (alone.tokens, alone.positions)
        assert found.logprobs == pytest.approx(alone.logprobs, abs=1e-3)
        assert fewer == steps - right


@pytest.mark.parametrize("name", ["en-extended", "en-agent", "es-expelled"])
def test_a_draft_of_a_whole_text_saves_steps_and_changes_nothing_else(
    folder: Path, exact: CTranslate2Model, vocabulary: Vocabulary, loops: Loops, name: str
) -> None:
    runner = loops("int8")

    def read(draft: tuple[int, ...] = (), **options: Any) -> tuple[Decoded, int]:
        before = runner.stats.steps
        [found] = written(runner, row(folder, exact, name, draft=draft, **options))
        return found, runner.stats.steps - before

    alone, steps = read()
    words = tuple(token for token in alone.tokens if token < vocabulary.first_timestamp)
    wrong = words[4] + 1
    # nothing of it has been told, so it is compared with nothing
    drafts = [
        (words, len(words) // 2),
        ((*words[:4], wrong, *words[5:]), len(words) // 3),
        ((*words[:3], *words[5:]), len(words) // 3),
        (words[:4], 2),
        (tuple(token + 1 for token in words), 0),
    ]
    for draft, saved in drafts:
        found, fewer = read(draft)
        assert (found.tokens, found.greedy) == (alone.tokens, alone.greedy)
        assert found.avg_logprob == pytest.approx(alone.avg_logprob, abs=1e-3)
        if alone.greedy:
            assert fewer <= steps - saved
    wide = read(beam=BEAM)
    assert read(words, beam=BEAM) == wide, "a beam search checks no draft"


def test_a_text_begins_with_what_was_told_unless_another_is_clearly_likelier(
    folder: Path,
    exact: CTranslate2Model,
    vocabulary: Vocabulary,
    loops: Loops,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runner = loops("int8")

    def read(draft: tuple[int, ...] = (), stable: int = 0) -> tuple[Decoded, int]:
        before = runner.stats.steps
        [found] = written(runner, row(folder, exact, "en-extended", draft=draft, stable=stable))
        return found, runner.stats.steps - before

    alone, _ = read()
    words = [tokens for _, tokens in vocabulary.split(vocabulary.words_of(alone.tokens), "en")]
    beginning, (_, *rest) = words[:2], words[2:]
    right = tuple(token for word in words for token in word)
    told = tuple(token for word in (*beginning, words[0]) for token in word)
    text = told + tuple(token for word in rest for token in word)
    as_told, steps = read(right, sum(map(len, words[:3])))
    assert as_told.tokens == alone.tokens
    other, more = read(told, len(told))
    assert other == alone, "what was told is far less likely"
    assert more >= steps + 2, "each text takes a step to compare them"
    monkeypatch.setattr(decode_state, "_CLEARLY_LIKELIER", 100.0)
    found, _ = read(told, len(told))
    assert (found.tokens, found.text) == (text, vocabulary.text(text)), "the rest is that of the new text"
    assert found.avg_logprob < alone.avg_logprob
    assert read(told * 6, 6 * len(told))[0] == alone, "a text that repeats itself is likely, but wrong"
    assert read(told, 0)[0] == alone, "nothing has been told"
    runner.clear()


@pytest.mark.parametrize(("earlier", "name"), [("en-agent", "en-extended"), ("es-agent", "es-expelled")])
def test_a_row_is_read_with_the_audio_before_it_and_has_its_own_text_and_times(
    folder: Path, exact: CTranslate2Model, vocabulary: Vocabulary, loops: Loops, earlier: str, name: str
) -> None:
    runner, features = loops("int8"), Features(folder, exact.mels)
    before, audio = clip(earlier), clip(name)
    before = before[: len(before) // SAMPLES_PER_TIMESTAMP * SAMPLES_PER_TIMESTAMP]
    [said] = written(runner, row(folder, exact, earlier))
    mel = features(np.concatenate([before, audio]))

    def read(**options: Any) -> tuple[Decoded, int]:
        steps = runner.stats.steps
        one = WhisperRow(
            mel=mel,
            duration=seconds(audio),
            window=window_for(mel.shape[1]),
            language=name[:2],
            before=vocabulary.said(said.text, seconds(before)),
            before_seconds=seconds(before),
            **options,
        )
        assert one.own_mel.shape[1] == pytest.approx(100 * seconds(audio), abs=2)
        [found] = written(runner, one)
        return found, runner.stats.steps - steps

    [alone] = written(runner, row(folder, exact, name))
    found, steps = read()
    # a word or two may be read otherwise with more audio; the words of the audio before would be far more
    assert word_error_rate(alone.text, found.text) < 0.5
    assert found.last_timestamp == pytest.approx(alone.last_timestamp, abs=0.7)
    words = tuple(vocabulary.words_of(found.tokens))
    drafted, fewer = read(draft=words, stable=len(words))
    assert drafted.tokens == found.tokens
    if found.greedy:
        assert fewer <= steps - len(words) // 2


def test_a_long_row_that_a_speaker_waits_for_is_not_put_behind_short_ones(
    folder: Path, exact: CTranslate2Model, loops: Loops
) -> None:
    runner = loops("int8")

    def steps(*, live: bool) -> int:
        """Decoder steps until a long row is done while there are always short ones."""
        before, shorts = runner.stats.steps, 0
        runner.add(0, row(folder, exact, "en-extended", window=FULL_WINDOW, live=live))
        waiting = {0}
        while 0 in waiting:
            while len(waiting) < 4:
                shorts += 1
                runner.add(shorts, row(folder, exact, "en-extended"))
                waiting.add(shorts)
            waiting -= {job_id for job_id, _ in runner.step() or ()}
        runner.clear()
        return runner.stats.steps - before

    assert 2 * steps(live=True) < steps(live=False)


def test_long_rows_leave_room_for_short_ones_even_if_speakers_wait_for_them(
    folder: Path, exact: CTranslate2Model, loops: Loops
) -> None:
    runner = loops("int8")
    short = row(folder, exact, "en-extended")
    long, live = (row(folder, exact, "en-extended", window=FULL_WINDOW, live=live) for live in (False, True))
    waiting = [live, long, short] * 16
    joining = [waiting[index] for index in runner.admit(waiting)]
    assert (joining.count(live), joining.count(long), joining.count(short)) == (4, 6, 6)
    for number in range(4):
        runner.add(number, live)
    assert runner.admit([live, long, short]) == [1, 2]
    runner.remove(0)
    assert runner.admit([live, long, short]) == [0, 1, 2]
    runner.clear()


def test_giving_up_what_nobody_looks_at_changes_nothing(
    folder: Path,
    exact: CTranslate2Model,
    vocabulary: Vocabulary,
    monkeypatch: pytest.MonkeyPatch,
    loops: Loops,
) -> None:
    rows = [row(folder, exact, "en-agent"), row(folder, exact, "es-expelled")]
    runner = loops("float32")
    monkeypatch.setattr(decode_state, "_COMPACT_FROM", 0)
    often = written(runner, *rows)
    monkeypatch.setattr(decode_state, "_COMPACT_FROM", 10_000)
    never = written(runner, *rows)
    assert [one.tokens for one in often] == [one.tokens for one in never]
    assert often[0].avg_logprob == pytest.approx(never[0].avg_logprob, abs=1e-4)


def test_a_row_that_falls_down_the_ladder_says_the_same_each_time(
    folder: Path,
    exact: CTranslate2Model,
    vocabulary: Vocabulary,
    monkeypatch: pytest.MonkeyPatch,
    loops: Loops,
) -> None:
    seen: list[Decoded] = []

    def hardly(decoded: Decoded, *_: object, **__: object) -> QualityIssue | None:
        seen.append(decoded)
        return QualityIssue.LOGPROB if decoded.temperature < 0.8 else None

    monkeypatch.setattr(quality_check, "find_issue", hardly)
    runner = loops("int8")
    before = runner.stats.retried
    first, again = (written(runner, row(folder, exact, "en-extended"))[0] for _ in range(2))
    assert runner.stats.retried == before + 2
    assert first == again
    # the fitted window and the full one, and then the higher temperatures
    assert [one.temperature for one in seen[:6]] == [0.0, 0.0, 0.2, 0.4, 0.6, 0.8]


def test_nothing_is_compiled_after_the_start(
    folder: Path, exact: CTranslate2Model, vocabulary: Vocabulary, loops: Loops
) -> None:
    modules = alignment, attention, byte_attention, byte_rows, encoder_attention, rows, sampling
    kernels = {f"{module.__name__}.{name}": one for module in modules for name, one in vars(module).items()}

    def compiled() -> dict[str, int]:
        found = {name: getattr(one, "signatures", None) for name, one in kernels.items()}
        return {name: len(signatures) for name, signatures in found.items() if signatures is not None}

    runner = loops("int8")
    before = compiled()
    for name in ("attention.self_attention", "sampling.top_k", "alignment.warping_path"):
        assert before[f"src.engines.kernels.{name}"]
    words = row(folder, exact, "en-agent", prompt=vocabulary.previous("Voz"), words=True)
    long = row(folder, exact, "en-agent", prompt=vocabulary.previous("a telephone exchange, " * 20))
    run(runner, words, long, row(folder, exact, "es-agent", language=None))
    assert compiled() == before


@pytest.mark.instructions
def test_in_float32_words_are_when_ctranslate2_says(
    folder: Path, exact: CTranslate2Model, vocabulary: Vocabulary, loops: Loops
) -> None:
    rows = [row(folder, exact, name, words=True) for name in ("en-agent", "es-agent", "en-extended")]
    for one, found in zip(rows, run(loops("float32"), *rows), strict=True):
        assert found.decoded is not None and found.alignment is not None
        text = vocabulary.words_of(found.decoded.tokens)
        start = vocabulary.start(one.language or "", one.task, ())
        [theirs] = exact.align(exact.encode([one.mel], one.window), start, [text], [one.mel.shape[1]])
        assert found.alignment.pairs == theirs.pairs
        assert found.alignment.probabilities == pytest.approx(theirs.probabilities, abs=1e-3)


def test_a_row_that_is_given_up_leaves_nothing_in_memory(
    folder: Path, exact: CTranslate2Model, loops: Loops
) -> None:
    """Its keys and values are hundreds of MB with a large model, and the garbage collector comes late."""
    runner = loops("int8")
    runner.add(0, row(folder, exact, "en-agent"))
    state = runner._states[0]
    while not state.has_written:
        runner.step()
    cache = weakref.ref(state.kv_cache.cross_attention[0])
    gc.disable()
    try:
        del state
        runner.remove(0)
        assert cache() is None
    finally:
        gc.enable()


def test_noise_ends(folder: Path, exact: CTranslate2Model, vocabulary: Vocabulary, loops: Loops) -> None:
    mel = Features(folder, exact.mels)(noise(3))
    runner = loops("int8")
    [found] = written(
        runner, WhisperRow(mel=mel, duration=3.0, window=window_for(mel.shape[1]), language="en")
    )
    assert len(found.tokens) <= 224


@pytest.mark.instructions
def test_in_float32_it_hears_what_ctranslate2_hears(folder: Path, exact: CTranslate2Model) -> None:
    one = row(folder, exact, "es-agent")
    encoder = WhisperEncoder(LayerBuilder(read(folder, "encoder/"), MatMulFloat32))
    pool, task = WorkerPool(0, "test"), Task(encoder.run(one.mel, one.window))
    pool.submit(task)
    while pool.help():
        pass
    assert isinstance(task.outcome, torch.Tensor)
    theirs = np.asarray(exact.encode([one.mel], one.window))[0]
    assert np.abs(task.outcome.numpy() - theirs).max() < 1e-3 * np.abs(theirs).max()


def test_a_language_that_detection_gets_wrong_is_told_by_the_text(
    folder: Path,
    exact: CTranslate2Model,
    vocabulary: Vocabulary,
    monkeypatch: pytest.MonkeyPatch,
    loops: Loops,
) -> None:
    def wrong(_: object, __: object) -> Guesses:
        return (("it", 0.6), ("es", 0.3), ("la", 0.1))

    monkeypatch.setattr(row_policy, "rank_languages", wrong)
    monkeypatch.setattr(
        quality_check, "_UNSURE_TEXT", 0.0
    )  # the clip is so plain that its text is likely in Italian, too
    runner = loops("int8")
    before = runner.stats.issues[QualityIssue.LANGUAGE]
    [found] = run(runner, row(folder, exact, "es-agent", language=None))
    [known] = written(runner, row(folder, exact, "es-agent"))
    assert runner.stats.issues[QualityIssue.LANGUAGE] == before + 1
    assert found.languages == (("es", 0.3), ("it", 0.6), ("la", 0.1))
    assert found.decoded is not None
    assert found.decoded.text == known.text


def test_a_text_in_the_wrong_language_ends_when_it_cannot_win(
    folder: Path, exact: CTranslate2Model, monkeypatch: pytest.MonkeyPatch, loops: Loops
) -> None:
    monkeypatch.setattr(row_policy, "rank_languages", lambda _, __: (("es", 0.6), ("it", 0.3), ("la", 0.1)))
    monkeypatch.setattr(quality_check, "_UNSURE_TEXT", 0.0)
    runner, steps, found = loops("int8"), [], []
    for ends in (True, False):
        if not ends:
            monkeypatch.setattr(Rival, "is_out_of_reach", lambda *_: False)
        before = runner.stats.steps
        found += written(runner, row(folder, exact, "es-agent", language=None))
        steps.append(runner.stats.steps - before)
    ended, whole = found
    assert (ended.text, ended.avg_logprob) == (whole.text, whole.avg_logprob)
    assert steps[0] < steps[1]


def test_a_text_in_the_second_language_may_be_longer_than_one_that_leaves_speech_out(
    vocabulary: Vocabulary,
) -> None:
    stamp = vocabulary.first_timestamp
    one = WhisperRow(np.zeros((80, 500), np.float32), 5.0, window_for(500), None)
    state = DecodeState(one, vocabulary, LogitFilter(vocabulary, stamp + 1501 + -(stamp + 1501) % BLOCK))
    state.policy.language_detected({"en": 0.5, "es": 0.4, "it": 0.1})
    assert state._rival() is None
    state.policy.text_decoded(Decoded((stamp, 1044, 291, stamp + 50), " Thank you", 1.0, -0.6, 0.1))
    assert state.policy.language == "es"
    rival = state._rival()
    assert rival is not None
    # with ten more tokens that are certain its mean is -0.27
    assert not rival.is_out_of_reach(-3.5, 2)
    assert rival.is_out_of_reach(-9.5, 2)


def test_timestamps_come_in_pairs_and_never_run_backwards(vocabulary: Vocabulary) -> None:
    stamp, word = vocabulary.first_timestamp, 1000
    size = stamp + 1501 + -(stamp + 1501) % BLOCK
    logit_filter = LogitFilter(vocabulary, size)

    def allowed(text: list[int], likely: int = word) -> set[int]:
        logits = np.zeros((1, size), np.float32)
        logits[:, stamp + 1501 :] = -np.inf
        logits[0, likely] = 30.0
        logit_filter.apply(logits, [text])
        assert float(np.exp(logits).sum()) == pytest.approx(1, abs=1e-4)
        return set(np.flatnonzero(np.isfinite(logits[0])).tolist())

    assert allowed([]) == set(range(stamp, stamp + 51))
    assert not {one for one in allowed([stamp]) if one >= stamp}
    assert {word, stamp + 41, stamp + 1500} <= allowed([stamp + 40, word])
    assert not {stamp + 39, stamp + 40} & allowed([stamp + 40, word])
    assert {stamp, stamp + 1500} <= allowed([word])
    # after a closed segment comes the next one's start or the end of the text
    closed = allowed([stamp, word, stamp + 70], likely=vocabulary.end)
    assert vocabulary.end in closed
    assert word not in closed
    assert stamp + 69 not in closed
    # together the timestamps are likelier than any word
    assert word not in allowed([stamp, word], likely=stamp + 3)


def model_file(
    folder: Path,
    variables: dict[str, tuple[int, NDArray[np.generic]]],
    aliases: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """What CTranslate2's converters write: each variable with the number of its type, and aliases."""

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    data = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, len(variables))
    for name, (kind, array) in variables.items():
        data += text(name) + struct.pack("<B", array.ndim) + struct.pack(f"<{array.ndim}I", *array.shape)
        data += struct.pack("<BI", kind, array.nbytes) + array.tobytes()
    data += struct.pack("<I", len(aliases)) + b"".join(text(one) for pair in aliases.items() for one in pair)
    (folder / "model.bin").write_bytes(data)


def test_weights_are_read_in_every_type_they_are_kept_in(tmp_path: Path) -> None:
    wanted = np.array([[1.0, -2.0], [0.5, 4.0]], np.float32)
    scale = np.array([63.5, 31.75], np.float32)  # the factor that made the integers
    model_file(
        tmp_path,
        {
            "decoder/a": (0, wanted),
            "decoder/b": (4, wanted.astype(np.float16)),
            "decoder/c": (5, (wanted.view(np.uint32) >> 16).astype(np.uint16)),
            "decoder/d": (1, np.round(wanted * scale[:, None]).astype(np.int8)),
            "decoder/d_scale": (0, scale),
            "encoder/a": (0, wanted),
        },
    )
    arrays = read(tmp_path, "decoder/")
    assert sorted(arrays) == ["a", "b", "c", "d", "d_scale"]
    layers = LayerBuilder(arrays, MatMulFloat32)
    for name in "abcd":
        assert torch.allclose(layers.tensor(name), torch.from_numpy(wanted), atol=0.02)


def test_what_is_equal_is_kept_once_and_read_under_both_names(tmp_path: Path) -> None:
    """CTranslate2's converters write the second of two equal variables as another name of the first."""
    small = np.array([[2, 4], [8, 16]], np.int8)
    scale = np.array([2.0, 4.0], np.float32)
    variables: dict[str, tuple[int, NDArray[np.generic]]] = {
        "decoder/a": (1, small),
        "decoder/a_scale": (0, scale),
        "decoder/b": (0, scale),
    }
    model_file(tmp_path, variables, {"encoder/conv1/weight": "decoder/a", "encoder/conv1/bias": "decoder/b"})
    layers = LayerBuilder(read(tmp_path, "encoder/"), MatMulFloat32)
    assert layers.tensor("conv1/weight").tolist() == [[1, 2], [2, 4]]
    assert layers.tensor("conv1/bias").tolist() == [2, 4]


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes((99).to_bytes(4, "little") + bytes(64))
    with pytest.raises(ModelUnavailable, match="format 99"):
        read(tmp_path, "decoder/")


def test_a_broken_encoder_fails_the_start(
    folder: Path, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no such operation")

    monkeypatch.setattr(WhisperEncoder, "_attend", broken)
    runner = LoopRunner(lambda: vocabulary, folder, probe("int8", folder), 16, 2)
    try:
        with pytest.raises(EngineFailed, match="failed to encode") as raised:
            runner.open()
        assert "no such operation" in str(raised.value.__cause__)
    finally:
        runner.close()


def test_a_decoder_that_writes_nothing_fails_the_start(
    folder: Path, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src.engines.whisper.loop.runner.decode_step", lambda *_: None)
    runner = LoopRunner(lambda: vocabulary, folder, probe("int8", folder), 16, 2)
    try:
        with pytest.raises(EngineFailed, match="wrote no token"):
            runner.open()
    finally:
        runner.close()
