"""docs/architecture.md says what is there, and routers stay short."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent.parent
SOURCE = REPOSITORY / "src"
PAGE = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMES = re.findall(r"`([\w.]+(?:/[\w.]+)*/?)`", PAGE)
FILES = sorted({name for name in NAMES if "/" in name or name.endswith((".py", ".toml", ".example"))})
WORDS = re.findall(r"^\| ([a-z ]+) \| ", PAGE.partition("## Words")[2].partition("\n## ")[0], re.MULTILINE)
MAX_ROUTER_LINES = 150


def exists(name: str) -> bool:
    """Whether there is such a file or folder, or (`core/loader.open_models`) such a name in a module."""
    module, _, attribute = name.rpartition(".")
    places = [REPOSITORY / name, SOURCE / name, *SOURCE.glob(f"*/{name}"), *SOURCE.glob(f"*/*/{name}")]
    return any(place.exists() for place in places) or any(
        re.search(rf"^(async )?(def|class) {attribute}\b", place.read_text(encoding="utf-8"), re.MULTILINE)
        for place in SOURCE.glob(f"{module}.py")
    )


def test_the_page_names_files_and_words() -> None:
    assert len(FILES) > 40
    assert len(WORDS) > 12
    assert not exists("engines/no_such_file.py")
    assert not exists("core/loader.no_such_name")


@pytest.mark.parametrize("name", FILES)
def test_what_the_page_names_is_there(name: str) -> None:
    assert exists(name)


def test_every_word_of_the_glossary_is_in_use() -> None:
    code = "\n".join(path.read_text(encoding="utf-8").lower() for path in SOURCE.rglob("*.py"))
    unused = [word for word in WORDS if not re.search(word.replace(" ", r"[\s_]?"), code)]
    assert unused == []


def test_routers_are_short() -> None:
    lengths = {
        str(path.relative_to(SOURCE)): len(path.read_text(encoding="utf-8").splitlines())
        for path in (SOURCE / "api").rglob("*.py")
        if re.search(r"^\w+ = APIRouter\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert len(lengths) > 10
    assert {name: lines for name, lines in lengths.items() if lines >= MAX_ROUTER_LINES} == {}


def test_docstrings_of_attributes_name_the_thing() -> None:
    """`Maximum size of a recording`, not `Of a recording`: the name may be far away."""
    fragment = re.compile(r'^\s*"""(?:Of|At which|For which|That|By|With) [^"]*"""$', re.MULTILINE)
    found = {
        str(path.relative_to(REPOSITORY)): fragments
        for path in [*SOURCE.rglob("*.py"), *(REPOSITORY / "voz").rglob("*.py")]
        if (fragments := fragment.findall(path.read_text(encoding="utf-8")))
    }
    assert found == {}
