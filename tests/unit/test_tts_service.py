"""How a text goes through the engine: order, how much at once, and what is left when it breaks.

The engine is a stand-in that notes its calls: what is tested here is the service's own scheduling.
"""

import asyncio
import io
import threading
import wave
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.composition import tts_service
from src.config import Settings
from src.engines.base import Audio, EarlySound, EngineInfo, OnEarlySound, Utterance, Voice
from src.errors import EngineFailed, InvalidInput, TooLarge
from src.services import synthesis
from src.services.audio import AudioFormat, Encoder, Tempo
from src.services.speech import Speech, SpeechRequest
from src.services.text import lexicon
from src.services.tts import TtsConfig, TtsService
from src.services.usage import Usage, UsageMeter
from src.storage.local import LocalStorage

RATE = 8_000
VOICE = Voice("beep", "en", "en", "beep", "beep", RATE, fingerprint="1")
TEXT = " ".join(f"This is the sentence number {word}." for word in (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
))  # fmt: skip


class Notebook:
    """Speaks a beep for each row, and notes what it was asked while what was in work."""

    info = EngineInfo("beep", "beep", "cpu", "float32", ("en",))
    voices = (VOICE,)

    def __init__(self, fails_on: str = "", *, ends: bool = True, fails_late: bool = False) -> None:
        self.said: list[str] = []
        self.others_in_work: list[int] = []
        self.in_work = 0
        self.cancelled = 0
        self.busy = asyncio.Event()
        self.early_db: float | None = None
        """Level of early sounds in dB; None: there are none."""
        self.goes_on: asyncio.Event | None = None
        """What the second half waits for."""
        self._fails_late = fails_late
        self._fails_on = fails_on
        self._ends = ends

    async def synthesize(self, text: str, voice: Voice, request_id: str) -> Audio:
        self.said.append(text)
        self.others_in_work.append(self.in_work)
        self.in_work += 1
        if self.in_work == 5:
            self.busy.set()
        try:
            if not self._ends:
                await asyncio.Event().wait()
            await asyncio.sleep(0.002 * (len(self.said) % 3))  # so that they do not end in order
            if self._fails_on and self._fails_on in text:
                raise EngineFailed("cannot say this")
            return np.full(80, 0.1, np.float32)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.in_work -= 1

    async def utter(
        self,
        text: str,
        voice: Voice,
        request_id: str,
        *,
        timed: bool = False,
        early: OnEarlySound | None = None,
    ) -> Utterance:
        """The second half later than the first."""
        audio = await self.synthesize(text, voice, request_id)
        self.in_work += 1
        try:
            if early is not None and self.early_db is not None:
                early(EarlySound(audio[: len(audio) // 2], self.early_db, 0.5))
                await (asyncio.sleep(0.002) if self.goes_on is None else self.goes_on.wait())
            if self._fails_late:
                raise EngineFailed("cannot go on")
        finally:
            self.in_work -= 1
        return Utterance(audio)


def run(
    make_settings: Callable[..., Settings],
    folder: Path,
    engine: Notebook,
    use: Callable[[TtsService, LocalStorage], Any],
    **overrides: Any,
) -> Any:
    async def main() -> Any:
        async with LocalStorage(folder) as storage:
            service = tts_service(engine, storage, make_settings(**overrides))  # type: ignore[arg-type]
            return await use(service, storage)

    return asyncio.run(main())


def stored(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]


def test_pieces_are_joined_in_order_and_few_are_in_work_at_once(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    engine = Notebook()
    speech = run(
        make_settings, tmp_path, engine, lambda service, _: service.speak(SpeechRequest(TEXT, VOICE))
    )
    assert [said.split()[-1] for said in engine.said][:3] == ["one.", "two.", "three."]
    assert len(engine.said) == 12
    assert max(engine.others_in_work) == 7
    # 12 beeps of 10 ms, 11 pauses of 0.4 s
    assert speech.duration == pytest.approx(12 * 0.01 + 11 * 0.4, abs=0.001)
    with wave.open(io.BytesIO((tmp_path / speech.key).read_bytes())) as wav:
        assert wav.getnframes() / RATE == pytest.approx(speech.duration)


def test_the_first_piece_of_a_stream_goes_ahead_alone(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    engine = Notebook()

    async def use(service: TtsService, _: LocalStorage) -> tuple[int, int]:
        chunks = service.stream(SpeechRequest(TEXT, VOICE))
        await anext(chunks)
        asked_before_first_sound = len(engine.said)
        rest = [chunk async for chunk in chunks]
        return asked_before_first_sound, len(rest)

    asked, rest = run(make_settings, tmp_path, engine, use)
    assert asked == 1
    assert rest >= 11
    assert len(engine.said) == 12
    assert stored(tmp_path) == []


def test_early_sound_of_a_piece_is_given_on_before_the_piece_is_whole(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """The gain of the early half is that of all of the piece, whatever level the piece turns out to have."""
    engine = Notebook()
    engine.early_db = -25.0

    async def use(service: TtsService, _: LocalStorage) -> tuple[list[bytes], Any]:
        request = SpeechRequest("One and only.", VOICE, AudioFormat.WAV)
        chunks = [chunk async for chunk in service.stream(request)]
        return chunks, await service.speak(request)

    chunks, speech = run(make_settings, tmp_path, engine, use, tts_early_sound=True)
    assert len(chunks) == 2
    samples = np.frombuffer(b"".join(chunks)[44:], np.int16) / 32767
    assert len(samples) == 80
    # 5 dB more than it has, from end to end: only the first and the last samples are faded, no join is
    middle = samples[32:-32]
    np.testing.assert_allclose(middle, 0.1 * 10 ** (5 / 20), atol=1e-3)
    assert samples[0] == samples[-1] == 0
    # what is stored is not streamed: it has the gain that its own level asks for
    stored_samples = np.frombuffer((tmp_path / speech.key).read_bytes()[44:], np.int16) / 32767
    np.testing.assert_allclose(stored_samples[32:-32], 0.1, atol=1e-3)


def test_a_stream_whose_piece_fails_after_early_sound_fails(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    engine = Notebook(fails_late=True)
    engine.early_db = -20.0

    async def use(service: TtsService, _: LocalStorage) -> int:
        given = 0
        with pytest.raises(EngineFailed, match="cannot go on"):
            async for chunk in service.stream(SpeechRequest(TEXT, VOICE)):
                given += bool(chunk)
        return given

    assert run(make_settings, tmp_path, engine, use, tts_early_sound=True) == 1
    assert engine.in_work == 0


def test_a_listener_who_leaves_between_early_sounds_leaves_nothing_in_work(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    engine = Notebook()
    engine.early_db, engine.goes_on = -20.0, asyncio.Event()

    async def use(service: TtsService, _: LocalStorage) -> None:
        async with aclosing(service.stream(SpeechRequest(TEXT, VOICE))) as chunks:
            await anext(chunks)
            assert engine.in_work

    run(make_settings, tmp_path, engine, use, tts_early_sound=True)
    assert engine.in_work == 0


def test_a_piece_that_fails_fails_the_whole_and_leaves_nothing(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    engine = Notebook(fails_on="three")
    with pytest.raises(EngineFailed, match="cannot say this"):
        run(make_settings, tmp_path, engine, lambda service, _: service.speak(SpeechRequest(TEXT, VOICE)))
    assert engine.in_work == 0
    assert len(engine.said) < 12
    assert stored(tmp_path) == []


def test_leaving_takes_the_rows_back(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    engine = Notebook(ends=False)

    async def use(service: TtsService, _: LocalStorage) -> None:
        task = asyncio.create_task(service.speak(SpeechRequest(TEXT, VOICE)))
        await engine.busy.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert engine.in_work == 0

    run(make_settings, tmp_path, engine, use)
    assert engine.cancelled == len(engine.said) >= 5
    assert stored(tmp_path) == []


def test_the_cache_tells_texts_formats_and_speeds_apart(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    engine = Notebook()

    async def use(service: TtsService, storage: LocalStorage) -> list[bool]:
        same = SpeechRequest("Say this once.", VOICE)
        requests = [
            same, same, SpeechRequest("Say this twice.", VOICE),
            SpeechRequest("Say this once.", VOICE, AudioFormat.FLAC),
            SpeechRequest("Say this once.", VOICE, speed=1.2),
        ]  # fmt: skip
        spoken = [await service.speak(request) for request in requests]
        await storage.delete(spoken[0].key)
        return [speech.cached for speech in (*spoken, await service.speak(same))]

    cached = run(make_settings, tmp_path, engine, use)
    assert cached == [False, True, False, False, False, False]


def test_the_cache_knows_a_model_by_its_content_and_a_key_by_its_name(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    engine = Notebook()

    async def use(service: TtsService, _: LocalStorage) -> list[bool]:
        text = "Say this once."
        trained_again = replace(VOICE, fingerprint="2")
        renamed = replace(VOICE, id="another name")
        requests = [
            SpeechRequest(text, VOICE, owner="one"), SpeechRequest(text, renamed, owner="one"),
            SpeechRequest(text, trained_again, owner="one"), SpeechRequest(text, VOICE, owner="two"),
            SpeechRequest(text, trained_again, owner="one"), SpeechRequest(text, VOICE, owner="two"),
        ]  # fmt: skip
        return [(await service.speak(request)).cached for request in requests]

    cached = run(make_settings, tmp_path, engine, use)
    assert cached == [False, True, False, False, True, True]


def test_no_sample_is_touched_on_the_event_loop(
    make_settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work: dict[str, set[int]] = {}

    def watched(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def watch(*arguments: Any) -> Any:
            at_work.setdefault(name, set()).add(threading.get_ident())
            return work(*arguments)

        return watch

    for name in ("level", "fade"):
        monkeypatch.setattr(f"src.services.synthesis.{name}", watched(name, getattr(synthesis, name)))
    for name in ("push", "finish"):
        monkeypatch.setattr(Tempo, name, watched(name, getattr(Tempo, name)))
    monkeypatch.setattr(Encoder, "encode", watched("encode", Encoder.encode))
    request = SpeechRequest(TEXT, VOICE, speed=1.2)
    run(make_settings, tmp_path, Notebook(), lambda service, _: service.speak(request))
    assert set(at_work) == {"level", "fade", "push", "finish", "encode"}
    assert all(threading.get_ident() not in threads for threads in at_work.values())


def test_a_damaged_index_is_a_miss(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    engine = Notebook()

    async def use(service: TtsService, _: LocalStorage) -> bool:
        request = SpeechRequest("Say this once.", VOICE)
        await service.speak(request)
        [index] = (tmp_path / "index").iterdir()
        index.write_text("[]")
        return (await service.speak(request)).cached

    assert run(make_settings, tmp_path, engine, use) is False


@pytest.mark.parametrize(
    ("text", "error"),
    [("a" * 21, TooLarge), ("!!", InvalidInput), ("", InvalidInput)],
    ids=["long", "marks", "empty"],
)
def test_what_cannot_be_spoken_never_reaches_the_engine(
    make_settings: Callable[..., Settings], tmp_path: Path, text: str, error: type[Exception]
) -> None:
    engine = Notebook()
    with pytest.raises(error):
        run(
            make_settings, tmp_path, engine,
            lambda service, _: service.speak(SpeechRequest(text, VOICE)), max_text_chars=20,
        )  # fmt: skip
    assert engine.said == []


def test_callers_who_share_a_synthesis_pay_for_it_once(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """One who leaves pays for what was made until then, the first who stays for the rest, a third nothing."""

    async def use(service: TtsService, _: LocalStorage) -> None:
        meters = [UsageMeter() for _ in range(3)]
        request = SpeechRequest(TEXT, VOICE)
        callers = [asyncio.create_task(service.speak(request, meter)) for meter in meters]
        await engine.busy.wait()
        callers[0].cancel()
        left, *stayed = await asyncio.gather(*callers, return_exceptions=True)
        assert isinstance(left, asyncio.CancelledError)
        speeches = [speech for speech in stayed if isinstance(speech, Speech)]
        assert [speech.cached for speech in speeches] == [False, True]
        assert [speech.usage for speech in speeches] == [meter.usage for meter in meters[1:]]
        assert speeches[1].usage == Usage()
        total = meters[0].usage + meters[1].usage
        assert total.audio_seconds == pytest.approx(speeches[0].duration)
        assert total.characters == sum(map(len, engine.said))
        again = await service.speak(request, meter := UsageMeter())
        assert again.cached
        assert again.usage == meter.usage == Usage()

    engine = Notebook()
    run(make_settings, tmp_path, engine, use)


def test_a_stream_that_is_left_has_used_what_was_made(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    async def use(service: TtsService, _: LocalStorage) -> None:
        meter = UsageMeter()
        async with aclosing(service.stream(SpeechRequest(TEXT, VOICE), meter)) as chunks:
            await anext(chunks)
        assert 0 < meter.usage.audio_seconds < 12 * 0.01 + 11 * 0.4
        assert meter.usage.characters >= len(engine.said[0])

    engine = Notebook()
    run(make_settings, tmp_path, engine, use)


LEXICON = lexicon.parse({"SQL": "sequel", "en-GB": {"SQL": "ess cue ell"}})
KNOWING = replace(VOICE, phonemes="aɪ", fingerprint="4")


@pytest.mark.parametrize("speed", [1.0, 0.5, 1.7])
def test_a_pause_lasts_as_long_as_it_says_at_any_speed(
    make_settings: Callable[..., Settings], tmp_path: Path, speed: float
) -> None:
    engine = Notebook()

    def request(pauses: tuple[str, str, str]) -> SpeechRequest:
        text = "{}This is one thing.{} That is another one.{}".format(*pauses)
        return SpeechRequest(text, VOICE, speed=speed, markup=True)

    async def use(service: TtsService, storage: LocalStorage) -> list[Audio]:
        found = []
        for pauses in (("", "[pause:0s]", ""), ("[pause:250ms]", "[pause:1.5s][pause:1ms]", "[pause:2s]")):
            content = await storage.get((await service.speak(request(pauses))).key)
            with wave.open(io.BytesIO(content or b"")) as wav:
                found.append(np.frombuffer(wav.readframes(wav.getnframes()), "<i2").astype(np.float32))
        return found

    without, with_pauses = run(make_settings, tmp_path, engine, use)
    half = round(80 / speed)
    assert len(without) == 2 * half
    silence = [np.zeros(samples, np.float32) for samples in (2000, 12_008, 16_000)]
    expected = [silence[0], without[:half], silence[1], without[half:], silence[2]]
    np.testing.assert_array_equal(with_pauses, np.concatenate(expected))
    assert engine.said == ["This is one thing.", "That is another one."] * 2


def test_marks_are_text_unless_they_are_asked_for(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    engine = Notebook()

    async def use(service: TtsService, _: LocalStorage) -> None:
        text = "Say [this](/aɪ/) [pause:1s] now."
        await service.speak(SpeechRequest(text, KNOWING))
        await service.speak(SpeechRequest(text, KNOWING, markup=True))
        with pytest.raises(InvalidInput, match="takes no phonemes"):
            await service.speak(SpeechRequest(text, VOICE, markup=True))
        with pytest.raises(InvalidInput, match="no phoneme 'e'"):
            await service.speak(SpeechRequest("Say [this](/e/).", KNOWING, markup=True))

    run(make_settings, tmp_path, engine, use)
    assert engine.said[1:] == ["Say /aɪ/.", "now."]
    assert engine.said[0].startswith("Say this, pause")


def test_lexicons_are_applied_before_the_engine_and_part_of_the_cache(tmp_path: Path) -> None:
    engine = Notebook()
    british = replace(VOICE, locale="en-GB", fingerprint="3")
    own = lexicon.parse({"SQL": "squirrel"})
    broken = lexicon.parse({"SQL": "/e/"})

    async def main() -> list[bool]:
        async with LocalStorage(tmp_path) as storage:
            plain = TtsService(engine, storage, TtsConfig())  # type: ignore[arg-type]
            service = TtsService(engine, storage, TtsConfig(lexicon=LEXICON))  # type: ignore[arg-type]
            request = SpeechRequest("Use SQL.", VOICE)
            spoken = [
                await plain.speak(request), await service.speak(request), await service.speak(request),
                await service.speak(replace(request, voice=british)),
                await service.speak(replace(request, language="en-GB")),
                await service.speak(replace(request, lexicon=own)),
                await service.speak(replace(request, lexicon=own)),
                await service.speak(replace(request, markup=True)),
            ]  # fmt: skip
            with pytest.raises(InvalidInput, match="'SQL': /e/: the voice reads letters"):
                await service.speak(replace(request, lexicon=broken))
            return [speech.cached for speech in spoken]

    assert asyncio.run(main()) == [False, False, True, False, False, False, True, False]
    assert engine.said == [
        "Use ess cue el.", "Use sequel.", "Use ess cue ell.", "Use ess cue ell.", "Use squirrel.",
        "Use sequel.",
    ]  # fmt: skip
