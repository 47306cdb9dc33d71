"""Fixtures for every test: settings, the real models (opened once), a real server around them.

Imports of the application stand inside the fixtures: a unit test of one module should not load torch.
"""

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from src.config import Settings
from src.weights.tts_engine import TtsEngine

if TYPE_CHECKING:
    from src.engines.models import Models
    from src.weights.store import CoquiFiles
    from tests.support.server import RunningServer

pytest_plugins = ["tests.support.postgres", "tests.support.s3", "tests.support.selection"]

# nothing in the tests may look at the internet for weights: they come from MODELS_DIR or a data package
os.environ["HF_HUB_OFFLINE"] = "1"

REPOSITORY = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--device", choices=["cpu", "cuda"], default="cpu", help="where the shared models of the tests run"
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Import the tests without visits of the garbage collector: what they import stays until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") is not None:
        from src.core.loader import cuda_problem

        if (problem := cuda_problem()) is not None:
            pytest.skip(f"it needs a GPU: {problem}")


def pytest_report_header() -> str:
    """Name the engines' code paths in the report."""
    from src.engines import cpu

    return f"CPU instructions in use: {cpu.in_words()}"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> str:
    """`cpu`, or `cuda` with `--device=cuda`."""
    return str(request.config.getoption("--device"))


@pytest.fixture(scope="session")
def make_settings(tmp_path_factory: pytest.TempPathFactory, device: str) -> Callable[..., Settings]:
    """Makes settings that ignore the machine's environment and `.env`."""
    from tests.support.server import KEY, OTHER_KEY

    def make(**overrides: Any) -> Settings:
        values: dict[str, Any] = {
            "api_key": f"{KEY},{OTHER_KEY}",
            "models_dir": REPOSITORY / "models",
            "storage_dir": tmp_path_factory.mktemp("storage"),
            "data_dir": tmp_path_factory.mktemp("data"),
            "storage": "local",
            # how a stream sounds would depend on what else the server does, and on what it has learnt
            "tts_early_sound": False,
            "tts_engine": TtsEngine.KOKORO,
            "device": device,
            "failed_key_limit": "off",  # all callers of all tests have one address
        }
        return Settings(_env_file=None, **(values | overrides))

    return make


@pytest.fixture(scope="session")
def coqui_files(tmp_path_factory: pytest.TempPathFactory) -> "dict[str, CoquiFiles]":
    """Coqui's voices as they were released: English (`en`) by characters, Spanish (`es`) by phonemes.

    Nobody may change them.
    """
    from tests.support import coqui

    folder = tmp_path_factory.mktemp("coqui")
    return {"en": coqui.english(folder / "en"), "es": coqui.spanish(folder / "es")}


@pytest.fixture(scope="session")
def models_dir(make_settings: Callable[..., Settings]) -> Path:
    """The folder of weights. On a fresh machine the first test that needs it fetches them."""
    from src.weights.store import ModelStore

    folder = make_settings().models_dir
    ModelStore(folder).whisper("base")
    ModelStore(folder).kokoro()
    return folder


@pytest.fixture(scope="session")
def models(make_settings: Callable[..., Settings]) -> "Iterator[Models]":
    """Real Whisper `base` and real Kokoro, loaded once for all tests."""
    from src.core.loader import open_models
    from tests.support.server import background

    with background(open_models(make_settings())) as opened:
        yield opened


@pytest.fixture(scope="session")
def models_once(models: "Models") -> "Models":
    """The same models. What has been read or spoken once is not read or spoken again."""
    from src.engines.models import Models
    from tests.support.once import ReadOnce, SpokenOnce

    return Models(ReadOnce(models.stt), SpokenOnce(models.tts))


@pytest.fixture(scope="session")
def voz(request: pytest.FixtureRequest, make_settings: Callable[..., Settings]) -> "Iterator[RunningServer]":
    """The whole service on a socket: real models (`models_once`), local storage.

    VOZ_TEST_URL names one that runs already, with the same keys, such as what `make run-ray` starts.
    """
    from tests.support.server import RunningServer, app_with, serve

    if running := os.environ.get("VOZ_TEST_URL"):
        yield RunningServer(None, running)
        return
    with serve(app_with(request.getfixturevalue("models_once"), make_settings())) as server:
        yield server
