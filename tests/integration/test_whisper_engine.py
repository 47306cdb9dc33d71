"""Whisper on its real weights: alone and in a batch, against faster-whisper, and when things go wrong."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.config import Settings
from src.engines.base import Spoken, SttOptions, Transcript
from src.engines.compute_types import for_whisper
from src.engines.whisper import WhisperEngine, quality_check, row_policy
from src.engines.whisper.quality_check import QualityIssue
from src.engines.whisper.row import MAX_TOKENS, WhisperRow
from src.errors import EngineFailed, InvalidInput
from src.weights.store import ModelStore
from tests.support.speech import clip, noise, seconds, silence

pytestmark = pytest.mark.models

SAID = {
    "en-agent": "That agent is already logged on. Please enter your agent number followed by the pound key.",
    "en-extended": "The conference has been extended.",
    "es-expelled": "ha sido expulsado por el sistema de esta conferencia.",
}


@pytest.fixture(scope="module")
def folder(make_settings: Callable[..., Settings]) -> Path:
    return ModelStore(make_settings().models_dir).whisper("base").folder


@pytest.fixture(scope="module", params=["loop", "batches"])
def use(folder: Path, device: str, request: pytest.FixtureRequest) -> Iterator["Use"]:
    """Runs scenarios with one engine that stays open; one engine for each of the two ways to decode."""
    if device != "cpu" and request.param == "loop":
        pytest.skip("the loop is for a CPU")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "batches":
            patch.setattr("src.engines.whisper.engine.is_meant_for", lambda *_: False)  # as on a GPU
        yield from opened(folder, device)


def opened(folder: Path, device: str) -> Iterator["Use"]:
    compute_type = for_whisper("auto", device)
    engine = WhisperEngine(folder, name="base", device=device, compute_type=compute_type, threads=2)
    with asyncio.Runner() as runner:
        runner.run(engine.__aenter__())
        yield lambda scenario: runner.run(scenario(engine))
        runner.run(engine.__aexit__(None, None, None))


Use = Callable[[Callable[[WhisperEngine], Coroutine[Any, Any, object]]], object]


def text(transcript: Transcript) -> str:
    return "".join(segment.text for segment in transcript.segments).strip()


def test_speech_is_read_and_its_language_told(use: Use) -> None:
    async def scenario(engine: WhisperEngine) -> None:
        for name, said in SAID.items():
            found = await engine.transcribe(clip(name), SttOptions(), "a")
            assert text(found).lower() == said.lower()
            assert found.language == name[:2]
            assert 0.5 < found.language_probability <= 1
            assert 0 <= found.segments[0].start <= found.segments[-1].end <= seconds(clip(name))

    use(scenario)


def test_a_long_row_is_cut_into_its_sentences(use: Use) -> None:
    names = ["en-agent", "en-extended", "en-busy", "en-extended"]
    pieces = [piece for name in names for piece in (clip(name), silence(0.5))]
    ends = np.cumsum([seconds(piece) for piece in pieces])
    said = [(0.0 if index == 0 else ends[2 * index - 1], ends[2 * index]) for index in range(len(names))]

    async def scenario(engine: WhisperEngine) -> None:
        audio = np.concatenate(pieces)
        assert 20 < seconds(audio) < 30
        found = await engine.transcribe(audio, SttOptions(), "a")
        spoken = [segment.text.strip().lower() for segment in found.segments]
        assert sum(SAID["en-extended"].lower() in one for one in spoken) == 2
        for index in (1, 3):
            [segment] = [one for one in found.segments if abs(one.start - said[index][0]) < 0.6]
            assert segment.text.strip().lower() == SAID["en-extended"].lower()
            assert segment.end == pytest.approx(said[index][1], abs=0.6)
        words = [word for segment in found.segments for word in segment.words or ()]
        assert "".join(word.word for word in words) == "".join(one.text for one in found.segments)
        assert all(word.start <= word.end for word in words)
        assert all(before.end <= after.start for before, after in pairwise(words))

    use(scenario)


def test_a_long_row_is_translated_with_timestamps(use: Use) -> None:
    async def scenario(engine: WhisperEngine) -> None:
        audio = np.concatenate([clip("es-expelled"), silence(0.5), clip("es-agent"), silence(0.5)] * 3)
        assert seconds(audio) > 20
        row = engine._prepare(audio, SttOptions(task="translate"))
        assert row.timed
        assert not engine._prepare(audio, SttOptions()).timed
        assert engine._prepare(audio, SttOptions(live=True)).timed

    use(scenario)


def test_text_is_the_same_alone_and_in_a_batch(use: Use) -> None:
    names = ["en-agent", "en-extended", "es-expelled"]

    async def scenario(engine: WhisperEngine) -> None:
        alone = [await engine.transcribe(clip(name), SttOptions(), "a") for name in names]
        before = deepcopy(engine.stats)
        together = await asyncio.gather(
            *(
                engine.transcribe(clip(name), SttOptions(), f"{name}-{turn}")
                for turn in range(3)
                for name in names
            )
        )
        assert [text(found) for found in together] == [text(found) for found in alone] * 3
        steps, row_steps = engine.stats.steps - before.steps, engine.stats.row_steps - before.row_steps
        assert row_steps > steps > 0

    use(scenario)


def test_rows_of_every_kind_at_once(use: Use) -> None:
    async def scenario(engine: WhisperEngine) -> None:
        english, spanish = clip("en-agent"), clip("es-expelled")
        plain, prompted, translated, timed, guesses = await asyncio.gather(
            engine.transcribe(english, SttOptions(language="en"), "1"),
            engine.transcribe(english, SttOptions(prompt="Voz, a telephone exchange"), "2"),
            engine.transcribe(spanish, SttOptions(language="es", task="translate"), "3"),
            engine.transcribe(spanish, SttOptions(word_timestamps=True), "4"),
            engine.detect_language(spanish, (), "5"),
        )
        assert text(plain) == SAID["en-agent"]
        assert plain.language_probability == 1
        assert "agent" in text(prompted)
        assert "conference" in text(translated).lower()
        assert timed.segments[0].words is not None
        assert plain.segments[0].words is None
        assert guesses[0].language == "es"
        assert sum(guess.probability for guess in guesses) == pytest.approx(1)
        assert len(guesses) == len(engine.info.languages)

    use(scenario)


def test_a_long_prompt_leaves_room_to_what_was_said_before_and_to_the_text(use: Use) -> None:
    """In this script 200 letters are hundreds of tokens: with a prompt, more than the decoder can take."""
    told = "\N{KHMER LETTER KA}\N{KHMER LETTER TA}\N{KHMER LETTER NO}\N{KHMER LETTER MO} " * 40
    options = SttOptions(
        language="en", prompt=f"{told}{told.strip()}", before=Spoken(clip("en-agent"), told.strip())
    )

    async def scenario(engine: WhisperEngine) -> None:
        audio = clip("en-extended")
        row = engine._prepare(audio, options)
        assert len(row.prompt) + len(row.before) > 200
        assert len(row.prompt) + len(row.before) + row.most_tokens < MAX_TOKENS
        found = await engine.transcribe(audio, options, "a")
        assert found.language == "en"

    use(scenario)


def test_words_are_in_order_and_make_up_the_text(use: Use) -> None:
    async def scenario(engine: WhisperEngine) -> None:
        audio = clip("en-agent")
        found = await engine.transcribe(audio, SttOptions(word_timestamps=True), "a")
        words = [word for segment in found.segments for word in segment.words or ()]
        assert "".join(word.word for word in words).strip() == text(found)
        times = [time for word in words for time in (word.start, word.end)]
        assert times == sorted(times)
        assert times[-1] <= seconds(audio)
        said = [word.word.strip().lower() for word in words]
        assert words[said.index("agent")].start < 1
        assert words[said.index("pound")].start > 3
        assert all(0 <= word.probability <= 1 for word in words)

    use(scenario)


def test_detection_chooses_among_the_allowed(use: Use) -> None:
    async def scenario(engine: WhisperEngine) -> None:
        found = await engine.transcribe(clip("es-expelled"), SttOptions(languages=("en", "fr")), "a")
        assert found.language in {"en", "fr"}
        guesses = await engine.detect_language(clip("es-expelled"), ("es", "en"), "a")
        assert [guess.language for guess in guesses] == ["es", "en"]
        assert sum(guess.probability for guess in guesses) == pytest.approx(1)
        with pytest.raises(InvalidInput, match="xx"):
            await engine.transcribe(silence(1), SttOptions(language="xx"), "a")

    use(scenario)


def test_silence_and_noise_are_survived(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    # nothing is certain in noise: all temperatures, and texts up to their bound, would take half a minute
    monkeypatch.setattr(row_policy, "TEMPERATURES", (0.0, 0.2))
    monkeypatch.setattr(WhisperRow, "most_tokens", 30)

    async def scenario(engine: WhisperEngine) -> None:
        for audio in (silence(0), silence(0.01), silence(5), noise(1)):
            found = await engine.transcribe(audio, SttOptions(word_timestamps=True), "a")
            assert all(segment.end <= seconds(audio) + 0.01 for segment in found.segments)

    use(scenario)


def test_a_doubtful_row_is_read_again_with_the_full_window(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[bool] = []

    def suspicious(_: object, __: float, fitted: bool, *___: object, **____: object) -> QualityIssue | None:
        judged.append(fitted)
        return QualityIssue.LOGPROB if len(judged) < 3 else None

    monkeypatch.setattr(quality_check, "find_issue", suspicious)

    async def scenario(engine: WhisperEngine) -> None:
        before = deepcopy(engine.stats)
        options = SttOptions(word_timestamps=True, beam_size=5)
        found = await engine.transcribe(clip("en-extended"), options, "a")
        assert "conference" in text(found).lower()
        assert found.segments[0].words
        assert judged == [True, False, False]
        assert engine.stats.retried == before.retried + 1
        assert engine.stats.issues[QualityIssue.LOGPROB] == before.issues[QualityIssue.LOGPROB] + 1
        assert 0 < engine.stats.retry_rate <= 1

    use(scenario)


def test_when_nothing_helps_the_likeliest_text_is_given(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality_check, "find_issue", lambda *_, **__: QualityIssue.LOGPROB)

    async def scenario(engine: WhisperEngine) -> None:
        found = await engine.transcribe(clip("en-extended"), SttOptions(), "a")
        assert text(found) == SAID["en-extended"]

    use(scenario)


def test_a_row_that_breaks_the_model_fails_alone(use: Use) -> None:
    async def scenario(engine: WhisperEngine) -> None:
        broken = clip("en-extended").reshape(1, -1)[:, :0].reshape(0, 1)
        good, bad = await asyncio.gather(
            engine.transcribe(clip("en-extended"), SttOptions(), "1"),
            engine.transcribe(broken, SttOptions(), "2"),
            return_exceptions=True,
        )
        assert isinstance(good, Transcript)
        assert text(good) == SAID["en-extended"]
        assert isinstance(bad, Exception)
        again = await engine.transcribe(clip("en-extended"), SttOptions(), "3")
        assert text(again) == SAID["en-extended"]

    use(scenario)


def test_a_batch_that_raises_is_tried_row_by_row(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    from src.engines.whisper.ctranslate2_model import CTranslate2Model
    from src.engines.whisper.loop.decoder import DecoderInput, WhisperDecoder

    generate, step = CTranslate2Model.generate, WhisperDecoder.step

    def fussy(
        self: CTranslate2Model, encoded: object, prompts: list[list[int]], *rest: object, **more: object
    ) -> object:
        if any(len(prompt) > 3 for prompt in prompts):
            raise RuntimeError("a prompt")
        return generate(self, encoded, prompts, *rest, **more)  # type: ignore[arg-type]

    def fussy_step(self: WhisperDecoder, inputs: Sequence[DecoderInput], wanted: Sequence[int]) -> object:
        if any(one.mask is None and len(one.tokens) > 3 for one in inputs):
            raise RuntimeError("a prompt")
        return step(self, inputs, wanted)

    monkeypatch.setattr(CTranslate2Model, "generate", fussy)
    monkeypatch.setattr(WhisperDecoder, "step", fussy_step)

    async def scenario(engine: WhisperEngine) -> None:
        audio = clip("en-extended")
        good, bad = await asyncio.gather(
            engine.transcribe(audio, SttOptions(), "1"),
            engine.transcribe(audio, SttOptions(prompt="hello"), "2"),
            return_exceptions=True,
        )
        assert isinstance(good, Transcript)
        assert isinstance(bad, EngineFailed)

    use(scenario)


def test_leaving_gives_rows_back(use: Use) -> None:
    async def scenario(engine: WhisperEngine) -> None:
        before = engine.stats.rows
        audio = np.concatenate([clip("en-busy"), clip("en-agent")])
        tasks = [asyncio.create_task(engine.transcribe(audio, SttOptions(), str(turn))) for turn in range(24)]
        while not engine.load.active:  # noqa: ASYNC110 - there is no event for it, and only tests would use one
            await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert engine.load.waiting == 0
        assert text(await engine.transcribe(clip("en-extended"), SttOptions(), "a")) == SAID["en-extended"]
        assert (engine.load.waiting, engine.load.active) == (0, 0)
        assert engine.stats.rows - before < 24

    use(scenario)
