"""The models that production runs: their shape, if narrower and with fewer layers, with random weights.

What differs between them is here as it is there: mel bands, layers of the decoder, heads, vocabulary. One has
heads of another width than all released models, for which some kinds of attention are made.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.random_whisper import Shape, save
from src.config import Settings
from src.engines.base import SttOptions
from src.engines.whisper import WhisperEngine, quality_check
from src.engines.whisper.ctranslate2_model import CTranslate2Model
from src.engines.whisper.features import Features, window_for
from src.engines.whisper.loop import LoopRunner, probe
from src.engines.whisper.row import BEAM, Outcome, WhisperRow
from src.engines.whisper.vocabulary import Vocabulary
from src.errors import InvalidInput
from src.weights.store import ModelStore
from tests.support.speech import clip, seconds

pytestmark = pytest.mark.models

SHAPES = {
    "base.en": Shape(128, 1, 2, languages=0),
    "medium": Shape(192, 3, 3),
    "large-v3-turbo": Shape(128, 3, 4, mels=128, languages=100),
    "distil-large-v3": Shape(128, 3, 2, mels=128, languages=100),
    "heads of 32": Shape(128, 2, 2, heads=4),
}
KNOWN = {"base.en": 1, "medium": 99, "large-v3-turbo": 100, "distil-large-v3": 100, "heads of 32": 99}
"""Number of languages of each."""


@pytest.fixture(scope="module")
def tokenizer(make_settings: Callable[..., Settings]) -> Path:
    return ModelStore(make_settings().models_dir).whisper("base").folder / "tokenizer.json"


@pytest.fixture(scope="module", params=SHAPES)
def model(request: pytest.FixtureRequest, tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose name is that of the model. Its converter folded the biases that are equal."""
    folder = tmp_path_factory.mktemp("sizes") / str(request.param)
    save(SHAPES[request.param], folder, tokenizer, quantization="float32")
    return folder


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """The loop sets the number of PyTorch's."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_in_float32_it_writes_and_times_what_ctranslate2_does(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WhisperRow, "most_tokens", 12)
    monkeypatch.setattr(quality_check, "find_issue", lambda *_, **__: None)
    monkeypatch.setattr(quality_check, "is_silence", lambda _: False)
    theirs = CTranslate2Model(model, "cpu", "float32", 1, 1)
    vocabulary = Vocabulary(model, theirs.multilingual)
    mel = Features(model, theirs.mels)(clip("en-extended"))
    assert len(mel) == SHAPES[model.name].mels
    length = seconds(clip("en-extended"))
    # the search that CTranslate2 has: as many hypotheses from the start
    given = WhisperRow(mel, length, window_for(mel.shape[1]), "en", words=True, beam=BEAM)
    ours = LoopRunner(lambda: vocabulary, model, probe("float32", model), 4, 1)
    ours.open()
    try:
        ours.add(0, given)
        while not (done := ours.step()):
            pass
    finally:
        ours.close()
    [(_, found)] = done
    assert isinstance(found, Outcome)
    assert found.decoded is not None
    assert found.alignment is not None
    encoded = theirs.encode([mel], given.window)
    start = vocabulary.start("en", "transcribe", ())
    assert len(start) == (3 if theirs.multilingual else 1)
    [text] = theirs.generate(encoded, [start], 12, 0.0, vocabulary)
    assert found.decoded.tokens == text.tokens
    assert len(set(text.tokens)) > 3
    assert found.decoded.avg_logprob == pytest.approx(text.avg_logprob, abs=1e-3)
    assert found.decoded.no_speech_prob == pytest.approx(text.no_speech_prob, abs=1e-4)
    words = vocabulary.words_of(text.tokens)
    [aligned] = theirs.align(encoded, start, [words], [mel.shape[1]])
    assert found.alignment.pairs == aligned.pairs
    assert found.alignment.probabilities == pytest.approx(aligned.probabilities, abs=1e-3)


def test_it_is_served_in_bytes_by_the_loop(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every temperature, since nothing that random weights write is likely."""
    monkeypatch.setattr(WhisperRow, "most_tokens", 6)

    async def scenario() -> None:
        engine = WhisperEngine(model, name=model.name, device="cpu", compute_type="int8", threads=2)
        async with engine:
            assert engine.notices == ()
            assert len(engine.info.languages) == KNOWN[model.name]
            assert ("yue" in engine.info.languages) is (KNOWN[model.name] == 100)
            speech = clip("en-extended")
            found = await engine.transcribe(speech, SttOptions(word_timestamps=True), "1")
            assert found.language in engine.info.languages
            guesses = await engine.detect_language(speech, (), "2")
            assert len(guesses) == KNOWN[model.name]
            if model.name == "base.en":
                with pytest.raises(InvalidInput, match="does not know the language 'es'"):
                    await engine.transcribe(speech, SttOptions(language="es"), "3")

    asyncio.run(scenario())


def test_through_all_temperatures_each_step_is_seen(tokenizer: Path, tmp_path: Path) -> None:
    """Readiness asks how long ago a step returned. It must not count from when the row began."""
    folder = tmp_path / "turbo"
    save(SHAPES["large-v3-turbo"], folder, tokenizer)

    async def scenario() -> tuple[list[float], float]:
        engine = WhisperEngine(folder, name="turbo", device="cpu", compute_type="int8", threads=2)
        async with engine:
            began, ages = time.monotonic(), []
            reading = asyncio.create_task(engine.transcribe(clip("en-extended"), SttOptions("en"), "1"))
            while not reading.done():
                ages.append(engine.load.stalled_for)
                await asyncio.sleep(0.01)
            await reading
            assert engine.stats.retried == 1
            return ages, time.monotonic() - began

    ages, whole = asyncio.run(scenario())
    assert whole > 1, "too quick to say anything of it"
    assert max(ages) < whole / 3


def test_weights_stand_in_memory_once(tokenizer: Path, tmp_path: Path) -> None:
    """What large models may take: 1.3 times their weights, and 500 MB for Python and its libraries."""
    folder = tmp_path / "wide"
    save(Shape(1024, 5, 5), folder, tokenizer)
    weights = (folder / "model.bin").stat().st_size / 2**20
    assert weights > 180, "with smaller ones, several copies would fit"
    command = [sys.executable, "-m", "benchmarks.whisper_sizes", "wide", "--load", "ours"]
    told = subprocess.check_output([*command, "--folder", tmp_path, "--tokenizer", tokenizer], text=True)
    found = json.loads(told.splitlines()[-1])
    assert found["before"] + found["memory"] < 1.3 * weights + 500
    assert found["memory"] < 1.5 * weights
