"""Early sound of Kokoro's real model: the cut graph, the joins of slices, and who gets early sound."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnxruntime
import pytest

from src.config import Settings
from src.engines.base import Audio, EarlySound, Voice
from src.engines.kokoro import KokoroEngine, engine, statistics
from src.engines.kokoro.frames import FRAME_SAMPLES
from src.engines.kokoro.onnx_model import CONTEXT, OnnxModel
from src.engines.kokoro.phonemes import Phonemizer
from src.engines.kokoro.slices import SlicedSentence
from src.engines.kokoro.statistics import Learnt
from src.engines.kokoro.styles import Styles, describe
from src.weights.store import KokoroFiles, ModelStore

pytestmark = pytest.mark.models

SENTENCES = {"af_heart": "We took the early train today.", "ef_dora": "Hoy tomamos el primer tren."}
LOCALES = {"af_heart": "en-US", "ef_dora": "es-ES"}

T = TypeVar("T")


class Heard:
    """Early sounds."""

    def __init__(self) -> None:
        self.sounds: list[EarlySound] = []
        self.begun = asyncio.Event()

    def __call__(self, sound: EarlySound) -> None:
        self.sounds.append(sound)
        self.begun.set()


@pytest.fixture(scope="module")
def files(make_settings: Callable[..., Settings]) -> KokoroFiles:
    return ModelStore(make_settings().models_dir).kokoro()


@pytest.fixture(scope="module")
def model(files: KokoroFiles) -> OnnxModel:
    return OnnxModel(files.model, threads=1)


def inputs(files: KokoroFiles, model: OnnxModel, name: str) -> tuple[list[int], Audio]:
    (voice,) = describe(files.model, {name: files.voices[name]})
    phonemes = Phonemizer(LOCALES[name]).phonemes(SENTENCES[name], model.vocabulary)
    tokens = [model.vocabulary[sound] for sound in phonemes]
    return tokens, Styles({name: files.voices[name]}).style(voice, len(tokens))


def decibels(signal: Audio, noise: Audio) -> float:
    return float(10 * np.log10(np.square(signal).sum() / np.square(noise).sum()))


def test_the_cut_graph_makes_the_samples_of_the_whole(files: KokoroFiles) -> None:
    model = OnnxModel(files.model, threads=1, compute_type="float32")
    tokens, style = inputs(files, model, "af_heart")
    session = onnxruntime.InferenceSession(str(files.model), providers=["CPUExecutionProvider"])
    (whole,) = session.run(
        None, {"tokens": [[0, *tokens, 0]], "style": style, "speed": np.ones(1, np.float32)}
    )
    audio, durations = model.speak(tokens, style)
    np.testing.assert_array_equal(audio, whole.ravel())
    assert durations is not None
    assert len(audio) == durations.sum() * 600


@pytest.mark.parametrize("name", SENTENCES)
def test_slices_join_as_if_they_were_made_at_once(files: KokoroFiles, model: OnnxModel, name: str) -> None:
    """With the statistics of the sentence itself, slices differ from the whole only by rounding to 8 bits."""
    tokens, style = inputs(files, model, name)
    whole, own = model.speak_with_statistics(tokens, style)
    sliced = SlicedSentence(model, model.decode(tokens, style), Learnt(len(tokens), -20.0, 1.0, own))
    ends = []
    made = np.zeros(0, np.float32)
    while not sliced.complete:
        made = sliced.more()
        ends.append(len(made))
    begin = len(whole) - len(made)
    assert begin % FRAME_SAMPLES == 0
    assert len(ends) >= 3
    same = whole[begin:]
    assert decibels(same, made - same) > 10
    for end in ends[:-1]:
        # around a join nothing differs more than elsewhere, and no sample jumps
        near = slice(end - 600, end + 600)
        assert np.square(made[near] - same[near]).sum() < 0.3 * np.square(same[near]).sum() + 1e-3
        step = np.abs(np.diff(made[end - 200 : end + 200])).max()
        assert step < 1.5 * np.abs(np.diff(same[near])).max() + 0.01


def test_a_slice_depends_on_its_context_alone(files: KokoroFiles, model: OnnxModel) -> None:
    tokens, style = inputs(files, model, "af_heart")
    _, own = model.speak_with_statistics(tokens, style)
    decoded = model.decode(tokens, style)
    narrow, wide = model.slice(decoded, 60, 90, own), model.slice(decoded, 50, 100, own)
    same = wide[10 * FRAME_SAMPLES : -10 * FRAME_SAMPLES]
    inner = slice(CONTEXT * FRAME_SAMPLES, -CONTEXT * FRAME_SAMPLES)
    assert decibels(same[inner], narrow[inner] - same[inner]) > 10


@pytest.mark.parametrize("first", [0, 61])
def test_harmonics_of_a_slice_are_those_of_the_whole(
    files: KokoroFiles, model: OnnxModel, first: int
) -> None:
    decoded = model.decode(*inputs(files, model, "af_heart"))
    whole, part = model.frames(decoded), model.frames(decoded, first, first + 50)
    np.testing.assert_array_equal(part.frames, whole.frames[:, :, first : first + 50])
    same = whole.harmonics[:, :, first * 60 : (first + 50) * 60 + 1]
    assert part.harmonics.shape == same.shape
    # phases are arbitrary where there is nothing, so they are compared as a spectrum
    expected, found = (each[:, :11] * np.exp(1j * each[:, 11:]) for each in (same, part.harmonics))
    assert np.square(np.abs(found - expected)).sum() < 1e-5 * np.square(np.abs(expected)).sum()


@pytest.fixture
def learns_quickly(files: KokoroFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the model in which nothing is learnt yet, and voices that take a word to learn."""
    short = {"en": ("Please come in.",), "es": ("Pasa, por favor.",)}
    monkeypatch.setattr(statistics, "SENTENCES", short)
    monkeypatch.setattr(engine, "SENTENCES", short)
    (tmp_path / "kokoro.onnx").symlink_to(files.model.resolve())
    yield tmp_path / "kokoro.onnx"


def speak(model: Path, files: KokoroFiles, use: Callable[[KokoroEngine, Voice], Awaitable[T]]) -> T:
    async def main() -> T:
        voices = {"af_heart": files.voices["af_heart"]}
        async with KokoroEngine(model, voices, threads=1) as opened:
            return await use(opened, opened.voices[0])

    return asyncio.run(main())


def test_sound_is_early_once_a_voice_is_learnt_and_joined_it_is_the_row(
    files: KokoroFiles, learns_quickly: Path
) -> None:
    text = SENTENCES["af_heart"]

    async def use(kokoro: KokoroEngine, voice: Voice) -> None:
        early: list[EarlySound] = []
        whole = await kokoro.synthesize(text, voice, "1")
        first = await kokoro.utter(text, voice, "1", early=early.append)
        # not learnt: it is whole. It is learnt behind this call, while the engine has nothing else to do
        assert not early
        np.testing.assert_array_equal(first.audio, whole)
        for _ in range(1200):
            if (learns_quickly.parent / "statistics").exists() and not kokoro.load.active:
                break
            await asyncio.sleep(0.05)

        row = await kokoro.utter(text, voice, "1", early=early.append)
        assert len(early) >= 2
        joined = np.concatenate([sound.audio for sound in early])
        np.testing.assert_array_equal(joined, row.audio[: len(joined)])
        assert len(joined) < len(row.audio)
        # the beginning is short, and holds speech
        assert 0.3 < len(early[0].audio) / 24_000 < 0.7
        assert np.abs(early[0].audio).max() > 0.1 * np.abs(whole).max()
        assert len(row.audio) == pytest.approx(len(whole), abs=0.3 * 24_000)
        # whoever asks for times, or for no early sound, gets what the whole sentence is normalised with
        timed = await kokoro.utter(text, voice, "1", timed=True, early=early.append)
        np.testing.assert_array_equal(timed.audio, whole)
        # the same each time
        again = await kokoro.utter(text, voice, "1", early=lambda _: None)
        np.testing.assert_array_equal(again.audio, row.audio)

    speak(learns_quickly, files, use)


def test_a_row_is_made_in_slices_only_while_no_other_request_waits(
    files: KokoroFiles, learns_quickly: Path
) -> None:
    text = SENTENCES["af_heart"]

    async def use(kokoro: KokoroEngine, voice: Voice) -> None:
        await kokoro.learn(voice)
        early: list[EarlySound] = []
        rows = [kokoro.utter(text, voice, str(number), early=early.append) for number in range(2)]
        first, last = await asyncio.gather(*rows)
        # the first is whole, since the other waits; the other is alone then
        whole = await kokoro.synthesize(text, voice, "1")
        np.testing.assert_array_equal(first.audio, whole)
        assert len(early) >= 2
        assert not np.array_equal(last.audio, whole)

        heard = Heard()
        listening = asyncio.create_task(kokoro.utter(text, voice, "1", early=heard))
        await heard.begun.wait()
        other = asyncio.create_task(kokoro.synthesize("Yes.", voice, "2"))
        row = await listening
        # the other came meanwhile, so that what was left is made as one slice
        assert len(heard.sounds) <= 2
        assert len(row.audio) == pytest.approx(len(whole), abs=0.3 * 24_000)
        await other

    speak(learns_quickly, files, use)


def test_a_listener_who_leaves_ends_the_work_between_slices(files: KokoroFiles, learns_quickly: Path) -> None:
    async def use(kokoro: KokoroEngine, voice: Voice) -> None:
        await kokoro.learn(voice)
        heard = Heard()
        listening = asyncio.create_task(kokoro.utter(SENTENCES["af_heart"], voice, "1", early=heard))
        await heard.begun.wait()
        listening.cancel()
        assert len(await kokoro.synthesize("Yes.", voice, "2"))
        assert len(heard.sounds) <= 2
        assert kokoro.load.active == kokoro.load.waiting == 0

    speak(learns_quickly, files, use)
