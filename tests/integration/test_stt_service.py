"""The speech-to-text service on real Whisper: whole files, streams, silence, and callers who leave."""

import asyncio
import io
import re
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from src.composition import stt_service
from src.config import Settings
from src.engines.base import Audio, Segment, SttOptions, Transcript
from src.engines.compute_types import for_whisper
from src.engines.whisper import WhisperEngine
from src.errors import InvalidInput, NotAudio, TooLarge
from src.services.decoding.pool import Decoders
from src.services.stt import Result, SttService
from src.weights.store import ModelStore
from tests.support.speech import clip, clip_path, music, noise, seconds, silence, typing, wav

pytestmark = pytest.mark.models

Scenario = Callable[[SttService, WhisperEngine], Coroutine[Any, Any, object]]
Use = Callable[[Scenario], object]


@pytest.fixture(scope="module")
def use(make_settings: Callable[..., Settings], device: str) -> Iterator[Use]:
    """Runs a scenario with one service that stays open for all of them."""
    settings = make_settings(max_audio_seconds=300)
    files = ModelStore(settings.models_dir).whisper("base")
    compute_type = for_whisper("auto", device)
    engine = WhisperEngine(files.folder, name=files.name, device=device, compute_type=compute_type, threads=2)

    async def opened() -> Decoders:
        return await Decoders(spares=2, most=16, max_seconds=300).__aenter__()

    with asyncio.Runner() as runner:
        runner.run(engine.__aenter__())
        decoders = runner.run(opened())
        yield lambda scenario: runner.run(scenario(stt_service(engine, decoders, settings), engine))
        runner.run(decoders.__aexit__(None, None, None))
        runner.run(engine.__aexit__(None, None, None))


LONG = ("en-agent", "en-extended", "en-busy", "en-agent", "en-busy", "en-extended")


def long_audio() -> Audio:
    pieces = [piece for name in LONG for piece in (clip(name), silence(1.5))]
    return np.concatenate([silence(2), *pieces])


def test_a_file_is_read(use: Use) -> None:
    async def scenario(service: SttService, engine: WhisperEngine) -> None:
        with clip_path("en-agent").open("rb") as file:
            result = await service.transcribe(file, SttOptions())
        assert result.text == (
            "That agent is already logged on. Please enter your agent number followed by the pound key."
        )
        assert (result.language, result.model) == ("en", engine.info.model)
        assert result.duration == pytest.approx(seconds(clip("en-agent")), abs=0.01)
        assert result.text == "".join(segment.text for segment in result.segments)

    use(scenario)


@pytest.mark.parametrize("gap", [0.0, 1.0])
def test_a_recording_that_is_played_again_is_written_again(use: Use, gap: float) -> None:
    """Whisper takes copies without a pause for one sound, and writes them once."""

    async def scenario(service: SttService, _: WhisperEngine) -> None:
        sound = np.concatenate([clip("en-password"), silence(gap)])
        result = await service.transcribe(wav(np.tile(sound, 3)), SttOptions())
        assert result.text.lower().count("please enter your password") == 3
        starts = [segment.start for segment in result.segments if "enter" in segment.text]
        assert starts == pytest.approx([number * seconds(sound) for number in range(3)], abs=0.4)

    use(scenario)


def test_a_long_file_keeps_order_and_times(use: Use) -> None:
    async def scenario(service: SttService, _: WhisperEngine) -> None:
        audio = long_audio()
        result = await service.transcribe(wav(audio), SttOptions(word_timestamps=True))
        transcript = result.text.lower()
        positions = [
            transcript.find("that agent"),
            transcript.find("the conference"),
            transcript.find("telemarketers"),
        ]
        assert -1 < positions[0] < positions[1] < positions[2]
        assert transcript.count("telemarketers") == transcript.count("that agent") == 2
        times = [time for segment in result.segments for time in (segment.start, segment.end)]
        assert times == sorted(times)
        assert result.segments[0].start == pytest.approx(2, abs=0.6)
        assert times[-1] <= seconds(audio)
        for segment in result.segments:
            assert segment.words
            assert segment.start <= segment.words[0].start <= segment.words[-1].end <= segment.end + 0.01
        # the second "conference" is said after everything else but itself
        last = next(word for segment in reversed(result.segments) for word in segment.words or ())
        assert last.start > seconds(audio) - 5

    use(scenario)


def test_a_stream_says_what_the_plain_answer_says(use: Use) -> None:
    async def scenario(service: SttService, _: WhisperEngine) -> None:
        audio = long_audio()
        plain = await service.transcribe(wav(audio), SttOptions())
        items = [item async for item in service.stream(wav(audio), SttOptions())]
        assert items[-1] == plain
        assert tuple(items[:-1]) == plain.segments
        assert len(items) > 3

    use(scenario)


def test_speech_that_the_text_does_not_reach_is_read_again(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whisper does so by itself a few times an hour of speech; here it is made to."""

    async def scenario(service: SttService, engine: WhisperEngine) -> None:
        whole = await service.transcribe(wav(long_audio()), SttOptions())
        transcribe, lengths = engine.transcribe, []

        async def stop_early(audio: Audio, options: SttOptions, request_id: str) -> Transcript:
            transcript = await transcribe(audio, options, request_id)
            lengths.append(len(audio))
            kept = transcript.segments[: max(1, len(transcript.segments) - 1)]
            return replace(transcript, segments=kept)

        monkeypatch.setattr(engine, "transcribe", stop_early)
        result = await service.transcribe(wav(long_audio()), SttOptions())
        assert len(lengths) > 2
        assert word_list(result.text) == word_list(whole.text)
        times = [time for segment in result.segments for time in (segment.start, segment.end)]
        assert times == sorted(times)

    use(scenario)


def word_list(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


@pytest.mark.parametrize(
    "audio",
    [silence(0.001), silence(5), noise(20), typing(20), music(20)],
    ids=["empty", "silence", "room", "typing", "music"],
)
def test_what_is_not_speech_gives_no_text(use: Use, audio: Audio) -> None:
    async def scenario(service: SttService, _: WhisperEngine) -> None:
        result = await service.transcribe(wav(audio), SttOptions())
        assert (result.text, result.segments, result.language_probability) == ("", (), 0)
        assert result.duration == pytest.approx(seconds(audio), abs=0.01)
        with pytest.raises(InvalidInput, match="no speech"):
            await service.detect_language(wav(audio), ())

    use(scenario)


def test_speech_in_noise_is_still_read(use: Use) -> None:
    async def scenario(service: SttService, _: WhisperEngine) -> None:
        speech = np.concatenate([silence(2), clip("en-agent"), silence(2)])
        noisy = speech + noise(seconds(speech), 0.005)[: len(speech)]
        result = await service.transcribe(wav(noisy), SttOptions())
        assert "agent number" in result.text

    use(scenario)


def test_language_is_settled_once_for_the_file(use: Use) -> None:
    async def scenario(service: SttService, _: WhisperEngine) -> None:
        # so far apart that they are two rows
        audio = np.concatenate([clip("es-agent"), silence(20), clip("es-expelled")])
        result = await service.transcribe(wav(audio), SttOptions(languages=("en", "es")))
        assert result.language == "es"
        assert result.language_probability > 0.5
        guesses = await service.detect_language(wav(audio), ("en", "es"))
        assert guesses[0].language == "es"

    use(scenario)


def test_what_cannot_be_decoded_is_refused(use: Use) -> None:
    async def scenario(service: SttService, _: WhisperEngine) -> None:
        with pytest.raises(NotAudio):
            await service.transcribe(io.BytesIO(b"not audio at all"), SttOptions())
        with pytest.raises(TooLarge):
            await service.transcribe(wav(silence(301)), SttOptions())

    use(scenario)


def test_a_caller_who_leaves_stops_everything(use: Use) -> None:
    async def scenario(service: SttService, engine: WhisperEngine) -> None:
        audio = np.tile(clip("en-busy"), 20)
        before = engine.stats.rows
        async with aclosing(service.stream(wav(audio), SttOptions())) as items:
            first = await anext(items)
            assert isinstance(first, Segment)
        assert engine.load.waiting == 0
        with clip_path("en-extended").open("rb") as file:
            result = await service.transcribe(file, SttOptions())
        assert result.text == "The conference has been extended."
        assert engine.load.active == 0
        assert engine.stats.rows - before <= 2 + len(audio) / 16_000 / 10

    use(scenario)


def test_a_cancelled_request_leaves_nothing_behind(use: Use) -> None:
    async def scenario(service: SttService, engine: WhisperEngine) -> None:
        file = wav(np.tile(clip("en-busy"), 20))
        task = asyncio.create_task(service.transcribe(file, SttOptions()))
        while not engine.load.active:  # noqa: ASYNC110 - there is no event for it, and only tests would use one
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert engine.load.waiting == 0
        file.close()
        with clip_path("en-extended").open("rb") as other:
            assert isinstance(await service.transcribe(other, SttOptions()), Result)
        assert (engine.load.waiting, engine.load.active) == (0, 0)

    use(scenario)
