"""The files that a Coqui config names, found beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_USUAL_NAMES: Mapping[str, tuple[str, ...]] = {
    "audio.stats_path": ("scale_stats.npy",),
    "d_vector_file": ("speakers.json", "speakers.pth"),
    "speakers_file": ("speaker_ids.json", "speaker_ids.pth"),
    "language_ids_file": ("language_ids.json",),
    "speaker_encoder_model_path": ("model_se.pth", "model_se.pth.tar"),
    "speaker_encoder_config_path": ("config_se.json",),
}
"""Settings of a Coqui config that name a file, and what that file is called beside a released model."""


def localise(config: Any, folder: Path) -> None:
    """Point the settings that name a file to the file of this folder, where there is one.

    A release names files by their place on the machine that trained it. This follows
    `ModelManager._update_paths` of `TTS`, which changes the release's own files.

    Args:
        config: a config of Coqui's, or the same as a dictionary.
        folder: where it came from.
    """
    for field, usual in _USUAL_NAMES.items():
        *outer, last = field.split(".")
        sections = [config.get(outer[0])] if outer else [config, config.get("model_args")]
        for section in sections:
            if section is None or last not in section:
                continue
            value = section[last]
            named = value[0] if isinstance(value, list) and value else value
            names = (Path(named).name if isinstance(named, str) else "", *usual)
            file = next((folder / name for name in names if name and (folder / name).is_file()), None)
            if file is not None:
                section[last] = [str(file)] if isinstance(value, list) else str(file)
