"""Where weights come from, and where they are kept.

Each model is looked for, in this order, in: the folder that the setting names; MODELS_DIR; the host
that publishes the model; data packages of the ordinary registries. A model that has arrived is not fetched
again, and needs no network. To fetch ahead of time, for an image or a machine without a network:

    python -m src.weights --stt base --tts auto --models-dir models

Own code: which model answers to which setting, and that Kokoro speaks where Coqui cannot, are Voz's rules.
"""

import logging
import re
import textwrap
from dataclasses import dataclass, replace
from pathlib import Path

from src.errors import ModelUnavailable
from src.weights import coqui, kokoro, whisper
from src.weights.fetch import DownloadFailed, fetch
from src.weights.model_cache import ModelCache
from src.weights.network import Network
from src.weights.source import Model, SourceFailed
from src.weights.tts_engine import TtsEngine

log = logging.getLogger(__name__)

_AGAIN = "`python -m src.weights` tries again"
_REASON_LENGTH = 1000
"""Characters of the reason why Kokoro speaks."""


@dataclass(frozen=True, slots=True)
class WhisperFiles:
    folder: Path
    """A CTranslate2 model: model.bin, config.json, tokenizer.json, vocabulary."""
    name: str


@dataclass(frozen=True, slots=True)
class KokoroFiles:
    model: Path
    """ONNX, int8."""
    voices: dict[str, Path]
    """Voices by name: raw float32, shape (510, 1, 256). The first of a language is its default."""
    reason: str = ""
    """Why Kokoro speaks in Coqui's place; empty if Kokoro was asked for."""


@dataclass(frozen=True, slots=True)
class CoquiFiles:
    checkpoint: Path
    config: Path
    vocoder_checkpoint: Path | None
    vocoder_config: Path | None
    name: str
    language: str = "en"
    """ISO 639-1 code of what it speaks."""


@dataclass(frozen=True, slots=True)
class CoquiModels:
    models: tuple[CoquiFiles, ...]
    """Each is a voice; the first of a language is its default."""


class ModelStore:
    """Finds weights, fetching them where they are missing. Blocking: run it in a thread.

    Args:
        folder: MODELS_DIR.
        verify: hash what is there, and fetch again what has changed.
        ask_again: try to fetch even what failed within the last day and is not needed to start: Coqui's
            models where Kokoro can speak, and Kokoro's further voices.
        network: where models are fetched from; the public hosts by default.
    """

    def __init__(
        self, folder: Path, *, verify: bool = False, ask_again: bool = False, network: Network | None = None
    ) -> None:
        self._cache = ModelCache(folder)
        self._verify = verify
        self._ask_again = ask_again or verify
        self._network = network or Network()

    def whisper(self, name: str) -> WhisperFiles:
        """Whisper's files.

        Args:
            name: a size (`base`), a repository on the hub (`owner/name`) or a folder.

        Raises:
            ModelUnavailable: with each source, why it failed, and what to do.
        """
        given = _given_folder(name)
        if given is not None:
            try:
                whisper.check(given)
            except (SourceFailed, OSError) as error:
                raise ModelUnavailable(f"STT_MODEL={name} is no Whisper model: {error}") from None
            return WhisperFiles(given, given.name)
        if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", name):
            raise ModelUnavailable(f"STT_MODEL={name}: there is no such folder")
        return WhisperFiles(self._fetch(whisper.model(name, self._network)), name)

    def kokoro(self) -> KokoroFiles:
        """Kokoro's model and voices.

        A folder with fewer voices is filled up. Where that fails it is used as it is, and the next start that
        tries is a day later.

        Raises:
            ModelUnavailable: as `whisper`.
        """
        model = kokoro.model(self._network)
        folder = self._cache.folder(model.key)
        usable = self._cache.fault(model.key, kokoro.fewest(), needs=kokoro.fewest()) is None
        try:
            self._fetch(model, needed=not usable)
        except DownloadFailed as error:
            if not usable:
                raise
            log.warning("Kokoro has only the voices that are there: %s (%s)", error.tried, _AGAIN)
        voices = {name: folder / f"{name}.bin" for name in kokoro.VOICES}
        found = {name: file for name, file in voices.items() if file.is_file()}
        return KokoroFiles(folder / kokoro.MODEL, found)

    def coqui(self, name: str, *, needed: bool = True) -> CoquiFiles:
        """A Coqui model's files.

        Args:
            name: a name of Coqui's catalogue (its vocoder comes with it), or a folder with config.json,
                one checkpoint, and the vocoder's in the sub-folder `vocoder`.
            needed: try to fetch it even if that failed within the last day.

        Raises:
            ModelUnavailable: as `whisper`.
        """
        given = _given_folder(name)
        folder = given or self._fetch(coqui.model(name, self._network), needed=needed)
        try:
            return _coqui_files(folder, name if given is None else folder.name)
        except SourceFailed as error:
            raise ModelUnavailable(
                f"{name} is no Coqui model: {error}. A folder needs config.json, one checkpoint, and the "
                "vocoder's two files in `vocoder/`"
            ) from None
        except OSError as error:
            raise ModelUnavailable(f"{name}: {error}") from None

    def tts_files(self, engine: TtsEngine, model_en: str, model_es: str) -> CoquiModels | KokoroFiles:
        """Files of the engine that is to speak; with `both`, Coqui's.

        `auto` is Coqui where all its models can be had and are whole, else Kokoro, with the reason in
        `KokoroFiles.reason`. That Coqui's models could not be had is remembered for a day.

        Args:
            model_en: English models, comma-separated, each as for `coqui`; the first is the default.
            model_es: the same for Spanish.

        Raises:
            ModelUnavailable: as `whisper`; with `auto`, only if Kokoro cannot be had either.
        """
        if engine is TtsEngine.KOKORO:
            return self.kokoro()
        needed = engine is not TtsEngine.AUTO
        try:
            return CoquiModels(
                tuple(
                    replace(self.coqui(name, needed=needed), language=language)
                    for language, names in (("en", model_en), ("es", model_es))
                    for name in _names(names)
                )
            )
        except ModelUnavailable as error:
            if needed:
                raise
            reason = f"{error.tried} ({_AGAIN})" if isinstance(error, DownloadFailed) else str(error)
        return self.kokoro_instead(reason)

    def kokoro_instead(self, reason: str) -> KokoroFiles:
        """Kokoro's files, for use in Coqui's place.

        Args:
            reason: why Coqui does not speak.

        Raises:
            ModelUnavailable: Kokoro cannot be had either; it tells both stories.
        """
        # PyTorch lists every weight that does not fit, a line each
        short = textwrap.shorten(reason, _REASON_LENGTH, placeholder=" ...")
        try:
            return replace(self.kokoro(), reason=f"Kokoro speaks in Coqui's place: {short}")
        except ModelUnavailable as error:
            raise ModelUnavailable(f"Coqui: {reason}\nKokoro: {error}") from None

    def _fetch(self, model: Model, *, needed: bool = True) -> Path:
        return fetch(self._cache, model, hashes=self._verify, ask_again=needed or self._ask_again)

    def missing(self, stt: str, engine: TtsEngine, model_en: str, model_es: str) -> list[str]:
        """Names of the models that a start would have to fetch. It asks no host, and changes nothing.

        Args:
            stt: as for `whisper`.
            engine, model_en, model_es: as for `tts_files`.
        """
        lacking = []
        reads = whisper.model(stt, self._network)
        if _given_folder(stt) is None and self._cache.fault(reads.key, reads.checksums):
            lacking.append(f"Whisper {stt}")
        no_coqui = [name for name in (*_names(model_en), *_names(model_es)) if not self._usable(name)]
        if engine in (TtsEngine.COQUI, TtsEngine.BOTH):
            lacking += no_coqui
        speaks = engine in (TtsEngine.KOKORO, TtsEngine.BOTH) or (engine is TtsEngine.AUTO and no_coqui)
        if speaks and self._cache.fault(kokoro.KEY, kokoro.fewest(), needs=kokoro.fewest()):
            lacking.append("Kokoro")
        return lacking

    def _usable(self, name: str) -> bool:
        """Whether Coqui's model is here, whole, without asking anyone."""
        given = _given_folder(name)
        try:
            if given is None:
                return self._cache.fault(coqui.model(name, self._network).key) is None
            _coqui_files(given, name)
        except (ModelUnavailable, SourceFailed, OSError):
            return False
        return True


def _coqui_files(folder: Path, name: str) -> CoquiFiles:
    checkpoint, config = coqui.find(folder)
    if not (folder / coqui.VOCODER).is_dir():
        return CoquiFiles(checkpoint, config, None, None, name)
    return CoquiFiles(checkpoint, config, *coqui.find(folder / coqui.VOCODER), name)


def _names(setting: str) -> list[str]:
    return [name.strip() for name in setting.split(",") if name.strip()]


def _given_folder(name: str) -> Path | None:
    """The folder that a setting names, if it names one. A plain word never does, even where a folder is
    called so: `base` must not depend on where the server was started."""
    path = Path(name).expanduser()
    return path.absolute() if "/" in name and path.is_dir() else None
