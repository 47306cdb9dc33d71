"""Fetch weights ahead of time: `python -m src.weights`.

Own code: `hf download` knows neither the settings nor the other sources.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import SecretStr, ValidationError

from src.config import Settings, trust
from src.errors import StartupError
from src.weights.store import KokoroFiles, ModelStore
from src.weights.tts_engine import TtsEngine

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch ahead of time; gives the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m src.weights", description="Fetch the weights that the server needs."
    )
    parser.add_argument("--stt", help="Whisper size, repository or folder (STT_MODEL)")
    parser.add_argument("--tts", type=TtsEngine, choices=list(TtsEngine), help="engine (TTS_ENGINE)")
    parser.add_argument("--models-dir", type=Path, help="where to keep them (MODELS_DIR)")
    parser.add_argument(
        "--verify", action="store_true", help="hash what is there, fetch again what has changed"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for client in ("httpx", "httpx2"):
        logging.getLogger(client).setLevel(logging.WARNING)  # a line for each request
    try:
        # weights need no key, and no other setting is looked at
        settings = Settings(api_key=[SecretStr("not used here")])
        trust(settings.ssl_cert_file)
        store = ModelStore(options.models_dir or settings.models_dir, verify=options.verify, ask_again=True)
        stt = store.whisper(options.stt or settings.stt_model)
        engine = options.tts or settings.tts_engine
        if engine is TtsEngine.BOTH:
            store.kokoro()
        tts = store.tts_files(engine, settings.tts_model_en, settings.tts_model_es)
    except ValidationError as error:
        for problem in error.errors(include_input=False):  # an input may be a secret
            log.error("%s: %s", ".".join(map(str, problem["loc"])).upper() or "settings", problem["msg"])
        return 1
    except StartupError as error:
        log.error("%s", error)
        return 1
    if isinstance(tts, KokoroFiles):
        if tts.reason:
            log.warning(tts.reason)
        log.info("ready: Whisper %s in %s, Kokoro in %s", stt.name, stt.folder, tts.model.parent)
    else:
        names = ", ".join(files.name for files in tts.models)
        log.info("ready: Whisper %s in %s, Coqui %s", stt.name, stt.folder, names)
    return 0


if __name__ == "__main__":
    sys.exit(main())
