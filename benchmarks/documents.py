"""Tables and pictures of the documents that a benchmark writes itself, between two marks."""

from pathlib import Path

PERFORMANCE = Path("docs/performance.md")


def write(name: str, text: str, document: Path = PERFORMANCE) -> None:
    """Put Markdown between `<!-- NAME: begin -->` and `<!-- NAME: end -->`, in place of what is there.

    Raises:
        ValueError: the document has no such marks.
    """
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, found, rest = document.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{document} has no marks for {name}")
    document.write_text(f"{before}{begin}{text.strip()}\n{end}{after}")


def picture(name: str, words: str, folder: str) -> str:
    """HTML that shows the plot that fits the reader's page (`plots.save` has written both).

    Args:
        name: of the plot.
        words: what it shows, for readers who do not see it.
        folder: of the plots, as the document reaches it.
    """
    return (
        "<picture>\n"
        f'  <source media="(prefers-color-scheme: dark)" srcset="{folder}/{name}-dark.svg">\n'
        f'  <img src="{folder}/{name}-light.svg" alt="{words}">\n'
        "</picture>"
    )
