"""Plots of the documents: each is drawn twice, as an SVG file for light pages and one for dark pages.

A document shows whichever fits the reader's page:

    <picture>
      <source media="(prefers-color-scheme: dark)" srcset="images/NAME-dark.svg">
      <img src="images/NAME-light.svg" alt="what the plot says, in words">
    </picture>
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cycler import cycler

FOLDER = Path("docs/images")
_FOREGROUND = {"light": "#1f2328", "dark": "#e6edf3"}
_LINES = {
    "light": ("#0969da", "#bc4c00", "#1a7f37", "#8250df", "#bf3989"),
    "dark": ("#58a6ff", "#f0883e", "#3fb950", "#bc8cff", "#f778ba"),
}


def save(
    name: str,
    draw: Callable[[Any], None],
    *,
    columns: int = 1,
    size: tuple[float, float] = (9, 3.4),
    folder: Path = FOLDER,
) -> None:
    """Write `NAME-light.svg` and `NAME-dark.svg`, without a background. The same data gives the same bytes.

    Args:
        name: of the files.
        draw: draws on the axes: one `Axes`, or an array of them if there are several columns.
        columns: plots side by side.
        size: inches.
        folder: where the files go.
    """
    import matplotlib
    from matplotlib import pyplot

    matplotlib.use("svg")
    folder.mkdir(parents=True, exist_ok=True)
    for style, foreground in _FOREGROUND.items():
        coloured = dict.fromkeys(
            ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), foreground
        )
        settings: dict[Any, Any] = {
            "svg.hashsalt": "voz",
            "font.size": 10,
            "axes.prop_cycle": cycler(color=_LINES[style]),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.25,
            "legend.frameon": False,
            **coloured,
        }
        with pyplot.rc_context(settings):
            figure, axes = pyplot.subplots(1, columns, figsize=size)
            draw(axes)
            figure.tight_layout()
            figure.savefig(folder / f"{name}-{style}.svg", transparent=True, metadata={"Date": None})
            pyplot.close(figure)
