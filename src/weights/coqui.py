"""Where Coqui's weights come from, and what makes a folder a Coqui model.

Own code: Coqui's downloader has no timeout and no checksum, takes any folder that exists for a finished model
and leaves one behind when an archive is bad. Only its catalogue is used.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from src.errors import ModelUnavailable
from src.weights.archives import unpack_release
from src.weights.hub import Repository, cached, hub
from src.weights.network import Network
from src.weights.source import Component, Model, Source, SourceFailed

VOCODER = "vocoder"
"""Sub-folder of a model's folder that holds its vocoder, if it has one."""

_GITHUB = "https://github.com"
_USUAL_NAMES = ("model_file.pth", "model_file.pth.tar", "model.pth", "checkpoint.pth")
_SPEAKER_ENCODER = ("model_se.pth", "model_se.pth.tar")


def find(folder: Path) -> tuple[Path, Path]:
    """The checkpoint and the config at the top of a folder.

    Raises:
        SourceFailed: there is no config.json, or not exactly one checkpoint.
    """
    config = folder / "config.json"
    if not config.is_file():
        raise SourceFailed(f"{folder} holds no config.json")
    for name in _USUAL_NAMES:
        if (folder / name).is_file():
            return folder / name, config
    others = [path for path in folder.glob("*.pt*") if path.is_file() and path.name not in _SPEAKER_ENCODER]
    if len(others) != 1:
        raise SourceFailed(f"{folder} holds {len(others)} checkpoints (*.pth), expected one")
    return others[0], config


def check(folder: Path) -> None:
    """Raise SourceFailed unless the model, and its vocoder if it has one, can be read.

    Weights are opened with `weights_only=True`: a checkpoint that would run code is refused.
    """
    import torch  # seconds to import, and not needed where Whisper alone is fetched
    from TTS.config import read_json_with_comments

    for place in (folder, folder / VOCODER):
        if place == folder or place.is_dir():
            weights, config = find(place)
            try:
                read_json_with_comments(config)
            except ValueError as error:
                raise SourceFailed(f"{config.name} is not JSON ({error})") from None
            try:
                torch.load(weights, map_location="cpu", weights_only=True)
            except Exception as error:  # torch raises whatever the damage makes it stumble over
                first = (str(error).splitlines() or [type(error).__name__])[0]
                raise SourceFailed(f"{weights.name} cannot be opened as weights ({first})") from None


def model(name: str, network: Network) -> Model:
    """A model of Coqui's catalogue, e.g. `tts_models/en/ljspeech/tacotron2-DDC`, with its vocoder.

    Raises:
        ModelUnavailable: that is no name of a model.
    """
    if not re.fullmatch(r"tts_models(/\w[\w.-]*){3}", name):
        raise ModelUnavailable(
            f"{name} is neither a folder nor a name of Coqui's catalogue, such as "
            "tts_models/en/ljspeech/tacotron2-DDC"
        )

    def components() -> tuple[Component, ...]:
        entry = _entry(name)
        found = [Component(name, _sources(entry, network))]
        if vocoder := entry.get("default_vocoder"):
            found.append(Component(vocoder, _sources(_entry(vocoder), network), subfolder=VOCODER))
        return tuple(found)

    return Model(
        key=f"coqui/{name.replace('/', '--')}",
        components=components,
        check=check,
        option="--tts coqui",
        instead=(
            "set TTS_MODEL_EN and TTS_MODEL_ES to folders with config.json, one checkpoint, and the "
            "vocoder's two files in `vocoder/`; or set TTS_ENGINE=kokoro"
        ),
    )


def _entry(name: str) -> Mapping[str, Any]:
    from TTS.utils.manage import ModelManager  # imports torch

    catalogue = ModelManager().models_dict
    kind, language, dataset, last = name.split("/")
    try:
        entry: Mapping[str, Any] = catalogue[kind][language][dataset][last]
    except KeyError:
        models = catalogue.get(kind, {}).get(language, {})
        near = [f"{kind}/{language}/{one}/{each}" for one in models for each in models[one]]
        raise ModelUnavailable(
            f"{name} is not in Coqui's catalogue. For {language!r} it has: {', '.join(near) or 'nothing'}"
        ) from None
    return entry


def _sources(entry: Mapping[str, Any], network: Network) -> tuple[Source, ...]:
    if "repo_id" in entry:
        repository = Repository(entry["repo_id"], entry.get("allow"), entry.get("ignore"))
        return cached(repository), hub(repository, network)
    urls = entry.get("github_rls_url", [])

    def fetch(folder: Path) -> None:
        for url in [urls] if isinstance(urls, str) else urls:
            target = folder / url.rpartition("/")[2]
            network.download(url.replace(_GITHUB, network.releases), target)
            if target.suffix == ".zip":
                unpack_release(target, folder)
                target.unlink()

    if not urls:
        raise ModelUnavailable("Coqui's catalogue gives no address for this model: choose another one")
    return (Source("Coqui's releases on GitHub", fetch),)
