"""The whole Coqui engine, on folders as Coqui releases them, against Coqui's own `Synthesizer`."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import pytest
import torch
from TTS.tts.configs.glow_tts_config import GlowTTSConfig
from TTS.tts.models.glow_tts import GlowTTS

from benchmarks.tts_peers import COQUIS_PAUSE, synthesizer
from src.engines.base import Audio, EarlySound
from src.engines.coqui import CoquiEngine
from src.engines.coqui.loading import load
from src.engines.coqui.runner import MultiVoiceRunner, Row
from src.engines.coqui.text import to_ids
from src.engines.voices import VoiceRegistry
from src.errors import EngineFailed, ModelUnavailable
from src.weights.store import CoquiFiles
from tests.support import coqui

SENTENCES = {
    "en": ["Hello.", "Yes.", "It was a cold day."],
    "es": ["Hola.", "Sí.", "El tren ha llegado."],
}
T = TypeVar("T")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def cold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Voices that are opened do not speak their first words, which takes a second for each."""
    monkeypatch.setattr(MultiVoiceRunner, "_warm_up", lambda self, language: None)


@pytest.fixture(scope="module")
def voices(coqui_files: dict[str, CoquiFiles]) -> dict[str, CoquiFiles]:
    return coqui_files


@pytest.fixture(scope="module")
def spoken_by_phonemes(tmp_path_factory: pytest.TempPathFactory) -> CoquiFiles:
    return coqui.english_phonemes(tmp_path_factory.mktemp("coqui") / "en-ph")


@pytest.fixture(scope="module")
def coquis_sound(voices: dict[str, CoquiFiles]) -> dict[str, Audio]:
    """Each of `SENTENCES`, spoken by Coqui's own code."""
    sound = {}
    for language, texts in SENTENCES.items():
        peer = synthesizer(voices[language])
        for text in texts:
            sound[text] = np.array(peer.tts(text, split_sentences=False)[:-COQUIS_PAUSE], np.float32)
    return sound


def speak(voices: dict[str, CoquiFiles], use: Callable[[CoquiEngine], Awaitable[T]], **settings: Any) -> T:
    async def main() -> T:
        models = [replace(files, language=language) for language, files in voices.items()]
        async with CoquiEngine(models, **settings) as engine:
            return await use(engine)

    return asyncio.run(main())


Use = Callable[[CoquiEngine], Coroutine[Any, Any, T]]


class Speak(Protocol):
    """What `use` makes of an engine with both voices."""

    def __call__(self, use: Use[T], compute_type: str = ...) -> T: ...


@pytest.fixture(scope="module")
def speak_both(voices: dict[str, CoquiFiles]) -> Iterator[Speak]:
    """One engine of each compute type for all tests: opening it takes seconds."""
    models = [replace(files, language=language) for language, files in voices.items()]
    engines: dict[str, CoquiEngine] = {}
    with asyncio.Runner() as runner:

        def speak(use: Use[T], compute_type: str = "auto") -> T:
            if compute_type not in engines:
                engine = CoquiEngine(models, compute_type=compute_type)
                runner.run(engine.__aenter__())
                engines[compute_type] = engine
            return runner.run(use(engines[compute_type]))

        yield speak
        for engine in engines.values():
            runner.run(engine.__aexit__(None, None, None))


async def say(engine: CoquiEngine, text: str, language: str, request_id: str = "1") -> Audio:
    """One row, by the first voice of the language."""
    return await engine.synthesize(text, VoiceRegistry(engine.voices).default(language), request_id)


@pytest.mark.parametrize("compute_type", ["float32", pytest.param("auto", marks=pytest.mark.instructions)])
def test_sound_is_coquis_own_in_a_batch_and_alone(
    speak_both: Speak, coquis_sound: dict[str, Audio], compute_type: str
) -> None:
    """HiFi-GAN at the model's rate for English; for Spanish MelGAN, rescaled and at 24 kHz for 16.

    `auto` has MelGAN in bfloat16 where the CPU multiplies it: then the difference is 40 dB below the voice.
    """
    rows = [(text, language) for language, texts in SENTENCES.items() for text in texts]

    async def use(engine: CoquiEngine) -> tuple[list[Audio], list[Audio]]:
        together = await asyncio.gather(*(say(engine, *row, request_id=row[0]) for row in rows))
        alone = [await say(engine, *row, request_id=row[0]) for row in rows]
        english, spanish = engine.voices
        assert [english.sample_rate, spanish.sample_rate] == [22_050, 24_000]
        assert (spanish.id, spanish.language) == ("tts_models/es/test/tacotron2-DDC", "es")
        return list(together), alone

    together, alone = speak_both(use, compute_type)

    for (text, language), batched, single in zip(rows, together, alone, strict=True):
        expected = coquis_sound[text]
        assert np.abs(expected).max() > 0.02
        for ours, other in ((batched, expected), (single, expected), (batched, single)):
            assert ours.dtype == np.float32
            if compute_type == "float32" or language == "en":
                np.testing.assert_allclose(ours, other, rtol=0, atol=1e-4)
            else:
                assert len(ours) == len(other)
                assert np.square(ours - other).mean() < 1e-4 * np.square(expected).mean()


@pytest.mark.parametrize("language", SENTENCES)
def test_sound_is_early_if_a_row_is_alone_and_joined_it_is_the_beginning_of_the_row(
    speak_both: Speak, language: str
) -> None:
    text = SENTENCES[language][2]

    async def use(engine: CoquiEngine) -> None:
        voice = VoiceRegistry(engine.voices).default(language)
        whole = await engine.synthesize(text, voice, "1")
        early: list[EarlySound] = []
        row = await engine.utter(text, voice, "1", early=early.append)
        assert early
        joined = np.concatenate([sound.audio for sound in early])
        np.testing.assert_array_equal(joined, row.audio[: len(joined)])
        assert 0.2 < len(early[0].audio) / voice.sample_rate < 0.9
        assert -60 < early[0].level_db < 0
        assert len(row.audio) == len(whole)
        np.testing.assert_allclose(row.audio, whole, rtol=0, atol=1e-4)

        # of a row that joins others, nothing is early
        early.clear()
        others = [asyncio.create_task(engine.synthesize(text, voice, str(number))) for number in range(2)]
        await asyncio.sleep(0)
        await engine.utter(text, voice, "3", early=early.append)
        assert not early
        await asyncio.gather(*others)

    speak_both(use, compute_type="float32")


def test_a_sentence_whose_end_is_missed_is_spoken_in_pieces_after_what_was_given_early(
    voices: dict[str, CoquiFiles],
    speak_both: Speak,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tired = coqui.tires(voices["en"], tmp_path, steps=100)
    text = "Ten steps to the left, then ten to the right, and on."
    early: list[EarlySound] = []

    async def use(engine: CoquiEngine) -> tuple[Audio, Audio]:
        voice = engine.voices[0]
        row = await engine.utter(text, voice, "1", early=early.append)
        return row.audio, await engine.synthesize(text, voice, "1")

    row, whole = speak({"en": tired}, use)
    joined = np.concatenate([sound.audio for sound in early])
    np.testing.assert_array_equal(joined, row[: len(joined)])
    assert len(row) == max(len(whole), len(joined))
    np.testing.assert_allclose(row[len(joined) :], whole[len(joined) :], rtol=0, atol=1e-4)
    spoken = speak_both(lambda engine: say(engine, text, "en", "1"))
    assert 0.9 * len(spoken) < len(whole) < 1.3 * len(spoken)
    assert "it does not come to an end" in caplog.text


def test_a_row_that_a_batcher_runs_again_gives_no_sound_early_twice(voices: dict[str, CoquiFiles]) -> None:
    model = MultiVoiceRunner(voices, "cpu", "float32", threads=1)
    model.open()
    early: list[EarlySound] = []
    row = Row(SENTENCES["en"][2], "en", early=early.append)
    model.add(0, row)
    while not early:
        assert not model.step()

    # as after a step that raised
    model.clear()
    model.add(0, row)
    outcomes: list[tuple[int, Any]] = []
    while not outcomes:
        outcomes += model.step() or ()

    joined = np.concatenate([sound.audio for sound in early])
    np.testing.assert_array_equal(joined, outcomes[0][1].audio[: len(joined)])
    assert len(joined) < len(outcomes[0][1].audio)
    model.close()


def test_rows_that_come_and_go_at_random_sound_as_alone(speak_both: Speak) -> None:
    texts = [" ".join(["word"] * count) + "." for count in (6, 1, 3, 2, 4, 1)]

    async def use(engine: CoquiEngine) -> tuple[list[Audio], list[Audio]]:
        async def later(index: int) -> Audio:
            await asyncio.sleep(0.05 * index)
            return await say(engine, texts[index], "en", str(index))

        together = await asyncio.gather(*map(later, range(len(texts))))
        return list(together), [await say(engine, text, "en", "0") for text in texts]

    for batched, single in zip(*speak_both(use), strict=True):
        np.testing.assert_allclose(batched, single, rtol=0, atol=1e-4)


@pytest.mark.usefixtures("cold")
def test_a_row_that_leaves_is_out_of_the_model_before_the_next_is_done(
    voices: dict[str, CoquiFiles], tmp_path: Path
) -> None:
    endless = coqui.never_stops(voices["en"], tmp_path)

    async def use(engine: CoquiEngine) -> None:
        leaving = asyncio.create_task(say(engine, "on and on " * 20, "en", "1"))
        await say(engine, "Sí.", "es", "2")
        assert engine.load.active == 1
        leaving.cancel()
        await say(engine, "Sí.", "es", "2")
        assert engine.load.active == engine.load.waiting == 0

    speak({"en": endless, "es": voices["es"]}, use)


@pytest.mark.usefixtures("cold")
def test_removing_a_row_ends_its_decoding_at_once_and_leaves_the_others(
    voices: dict[str, CoquiFiles],
) -> None:
    model = MultiVoiceRunner(voices, "cpu", "float32", threads=1)
    model.open()
    for row_id, text in enumerate(SENTENCES["en"]):
        model.add(row_id, Row(text, "en"))
    assert not any(model.step() for _ in range(3))

    model.remove(0)
    model.remove(2)

    outcomes = [outcome for _ in range(40) for outcome in model.step() or ()]
    assert [job_id for job_id, _ in outcomes] == [1]


@pytest.mark.parametrize(
    ("spoil", "text", "why"),
    [
        (coqui.stands_still, "Prolog", "its attention stands still"),
        (coqui.stops_at_once, "Incomprehensibilities", "it stops before the end"),
    ],
)
def test_a_word_that_cannot_be_spoken_fails_and_the_next_row_is_served(
    voices: dict[str, CoquiFiles],
    tmp_path: Path,
    spoil: Callable[[CoquiFiles, Path], CoquiFiles],
    text: str,
    why: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoiled = spoil(voices["en"], tmp_path)
    with pytest.raises(ModelUnavailable, match=f"first words.*{why}"):
        speak({"en": spoiled}, lambda engine: say(engine, "Yes.", "en"))
    # released voices fail on some texts only; these fail on most
    monkeypatch.setattr(MultiVoiceRunner, "_warm_up", lambda self, language: None)

    async def use(engine: CoquiEngine) -> None:
        with pytest.raises(EngineFailed, match=why):
            await say(engine, text, "en", "1")
        assert len(await say(engine, "Sí.", "es", "1"))

    speak({"en": spoiled, "es": voices["es"]}, use)


@pytest.mark.usefixtures("cold")
def test_a_word_whose_end_is_missed_is_cut_where_it_ends(
    voices: dict[str, CoquiFiles], tmp_path: Path
) -> None:
    endless = coqui.never_stops(voices["en"], tmp_path)

    audio = speak({"en": endless}, lambda engine: say(engine, "Prolog.", "en", "1"))

    characters, step = len("Prolog."), 2 * 256 / 22_050
    assert 0 < len(audio) / 22_050 - characters * coqui.STEPS_PER_CHARACTER * step < 0.5


def test_symbols_have_the_ids_that_they_were_trained_with(
    voices: dict[str, CoquiFiles], spoken_by_phonemes: CoquiFiles
) -> None:
    """Coqui has changed twice since 2021 how the vocabulary is made of a config."""
    for files, text, said in [
        (voices["en"], "Hello, world!", "hello, world!"),
        (spoken_by_phonemes, "Hello, world!", "həlˈoʊ, wˈɜːld!"),
        (voices["es"], "¿Qué tal, chico?", "kˈe tˈal, tʃˈiko?"),
    ]:
        model = load(files, "cpu", "float32").model
        symbols = coqui.symbols(model.config.use_phonemes)
        assert model.num_chars == len(symbols)
        assert "".join(symbols[each] for each in to_ids(model, text)) == said


def test_words_of_ipa_are_given_to_the_model_as_they_stand(
    voices: dict[str, CoquiFiles], spoken_by_phonemes: CoquiFiles
) -> None:
    symbols = coqui.symbols(use_phonemes=True)
    for files, text, said in [
        (spoken_by_phonemes, "Hello, /wˈɜːld/!", "həlˈoʊ, wˈɜːld!"),
        (spoken_by_phonemes, "A /ʔ/ for you", "ɐ ʔ fɔːɹ juː"),
        (voices["es"], "¿Qué tal, /ʃˈika/?", "kˈe tˈal, ʃˈika?"),
    ]:
        networks = load(files, "cpu", "float32")
        assert "".join(symbols[each] for each in to_ids(networks.model, text)) == said
        assert set(networks.phonemes) == set(coqui.CHARACTERS["phonemes"])
    assert load(voices["en"], "cpu", "float32").phonemes == ""


@pytest.mark.usefixtures("cold")
def test_english_by_phonemes_sounds_as_coquis_own(spoken_by_phonemes: CoquiFiles) -> None:
    text = "It was a bright cold day in April, and it rained."

    ours = speak(
        {"en": spoken_by_phonemes},
        lambda engine: say(engine, text, "en"),
        compute_type="float32",
    )

    expected = synthesizer(spoken_by_phonemes).tts(text, split_sentences=False)[:-COQUIS_PAUSE]
    assert len(ours) == len(expected)
    assert np.abs(ours - np.array(expected, np.float32)).max() < 1e-3 * np.abs(expected).max()


def test_a_text_of_unknown_characters_fails_alone(speak_both: Speak) -> None:
    async def use(engine: CoquiEngine) -> list[Audio | BaseException]:
        texts = ["Yes.", "ありがとう", "No."]
        return await asyncio.gather(
            *(say(engine, text, "en", text) for text in texts), return_exceptions=True
        )

    yes, unknown, no = speak_both(use)

    assert isinstance(unknown, EngineFailed)
    assert isinstance(yes, np.ndarray)
    assert isinstance(no, np.ndarray)


@pytest.mark.usefixtures("cold")
def test_other_coqui_models_speak_a_sentence_at_a_time(voices: dict[str, CoquiFiles], tmp_path: Path) -> None:
    files = replace(voices["en"], checkpoint=tmp_path / "model.pth", config=tmp_path / "config.json")
    torch.manual_seed(0)
    model = GlowTTS(GlowTTSConfig(text_cleaner="basic_cleaners"))
    torch.save({"model": model.state_dict()}, files.checkpoint)
    files.config.write_text(model.config.to_json())

    async def use(engine: CoquiEngine) -> list[Audio]:
        return await asyncio.gather(*(say(engine, "Hello.", "en", str(request)) for request in range(2)))

    for audio in speak({"en": files}, use):
        assert len(audio) > 0
        assert np.isfinite(audio).all()


@pytest.mark.usefixtures("cold")
def test_an_attention_that_only_coqui_can_run_is_left_to_it(tmp_path: Path) -> None:
    files = coqui.spanish(tmp_path / "es", attention_win=True)
    text = "Hola, buenos días."

    async def use(engine: CoquiEngine) -> Audio:
        return await say(engine, text, "es", "0")

    ours = speak({"es": files}, use)

    expected = np.array(synthesizer(files).tts(text, split_sentences=False)[:-COQUIS_PAUSE], np.float32)
    assert len(ours) == len(expected)
    assert np.square(ours - expected).mean() < 1e-4 * np.square(expected).mean()


class _Trap:
    def __init__(self, sprung: Path) -> None:
        self.sprung = sprung

    def __reduce__(self) -> Any:
        return (Path.touch, (self.sprung,))


@pytest.mark.parametrize("vocoder", [False, True], ids=["model", "vocoder"])
def test_weights_that_would_run_code_are_refused(
    voices: dict[str, CoquiFiles], tmp_path: Path, vocoder: bool
) -> None:
    trap = tmp_path / "trap.pth"
    torch.save({"model": _Trap(tmp_path / "sprung")}, trap)
    es = voices["es"]
    files = replace(es, vocoder_checkpoint=trap) if vocoder else replace(es, checkpoint=trap)

    with pytest.raises(ModelUnavailable, match="cannot be opened as a Coqui model"):
        speak({"es": files}, lambda engine: asyncio.sleep(0))

    assert not (tmp_path / "sprung").exists()


@pytest.mark.usefixtures("cold")
@pytest.mark.parametrize(("threads", "decoding", "sounding"), [(1, 1, 0), (2, 1, 1), (5, 3, 2)])
def test_threads_are_shared_out_between_decoding_and_sound(
    voices: dict[str, CoquiFiles], threads: int, decoding: int, sounding: int
) -> None:
    def vocoder_threads() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("coqui-vocoder")]

    seen = []

    def open_there() -> None:
        model = MultiVoiceRunner({"en": voices["en"]}, "cpu", "float32", threads)
        model.open()
        seen.append((torch.get_num_threads(), len(vocoder_threads())))
        model.close()

    thread = threading.Thread(target=open_there)
    thread.start()
    thread.join()

    assert seen == [(decoding, sounding)]
    assert vocoder_threads() == []
