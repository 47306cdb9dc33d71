"""The files of the web page: their size, where the vendored ones come from, their texts in both languages."""

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from src.api import errors, page

WEB = page.FILES
VENDOR = WEB / "vendor"
PACKAGES = json.loads((VENDOR / "packages.json").read_text(encoding="utf-8"))
OWN_SCRIPTS = sorted(path for path in WEB.rglob("*.js") if VENDOR not in path.parents)
MAX_BYTES = 300_000
NOT_ON_THE_PAGE = {"problem.origin-refused", "problem.forbidden", "problem.model-not-found"}
"""Kinds of routes that the page does not call."""


def text_of(name: str) -> str:
    return (WEB / name).read_text(encoding="utf-8")


def table(language: str) -> set[str]:
    return set(re.findall(r'^  "([^"]+)":', text_of(f"locale/{language}.js"), re.M))


def test_page_scripts_style_and_font_are_small() -> None:
    loaded = [
        path for path in WEB.rglob("*") if path.is_file() and path.name not in {"LICENSE", "packages.json"}
    ]
    assert sum(path.stat().st_size for path in loaded) < MAX_BYTES


@pytest.mark.parametrize("folder", sorted(PACKAGES))
def test_vendored_files_are_those_of_the_package(folder: str) -> None:
    entry = PACKAGES[folder]
    assert entry["integrity"].startswith("sha512-")
    assert {path.name for path in (VENDOR / folder).iterdir()} == set(entry["files"])
    assert "LICENSE" in entry["files"], "a licence travels with its files"
    for name, file in entry["files"].items():
        assert hashlib.sha256((VENDOR / folder / name).read_bytes()).hexdigest() == file["sha256"], name


def test_nothing_else_is_vendored() -> None:
    assert {path.name for path in VENDOR.iterdir()} == {*PACKAGES, "packages.json"}


def test_the_policy_knows_the_style_that_the_waveform_makes() -> None:
    script = (VENDOR / "wavesurfer" / "wavesurfer.esm.js").read_text(encoding="utf-8")
    found = re.search(r"<style\$\{.*?\"\"\}>(.*?)</style>", script)
    height = re.search(r"^const HEIGHT = (\d+);$", text_of("player.js"), re.M)
    assert found is not None
    assert height is not None
    style = re.sub(r"\$\{this\.getHeight\([^}]*\}", height[1], found[1].replace(r"\n", "\n"))
    assert "${" not in style
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"sha256-{digest}" == page.WAVEFORM_STYLE


def test_html_has_no_inline_script_or_style_and_names_no_other_host() -> None:
    html = text_of("index.html")
    for tag in re.findall(r"<script[^>]*>(.*?)</script>", html, re.S):
        assert not tag.strip()
    assert not re.search(r"<style|\sstyle=|\son\w+=", html)
    for path in [WEB / "index.html", WEB / "style.css", *OWN_SCRIPTS]:
        hosts = set(re.findall(r"(?:https?:)?//[\w-]+\.[\w.-]+", path.read_text(encoding="utf-8")))
        assert hosts <= {"http://www.w3.org"}, path


def test_every_text_is_there_in_both_languages_and_none_is_left_over() -> None:
    english, spanish = table("en"), table("es")
    assert english == spanish
    own = "\n".join(path.read_text(encoding="utf-8") for path in OWN_SCRIPTS if path.parent.name != "locale")
    own += text_of("index.html")
    used = set(re.findall(r'["\']([a-z-]+(?:\.[a-z_-]+)+)["\']', own)) & english
    families = tuple(re.findall(r"`([a-z-]+(?:\.[a-z-]+)*\.)\$\{", own))
    assert {"problem.", "server.", "gender."} <= set(families)
    assert {key for key in english - used if not key.startswith(families)} == set()


def test_every_problem_has_a_sentence() -> None:
    kinds = re.search(r"new Set\(\[(.*?)\]", text_of("problems.js"), re.S)
    assert kinds is not None
    known = {f"problem.{kind}" for kind in re.findall(r'"([\w-]+)"', kinds[1])}
    assert known <= table("en")
    # each that the server has, too
    assert {f"problem.{kind}" for _, kind, _ in errors._STATUS.values()} - known <= NOT_ON_THE_PAGE


@pytest.mark.parametrize("path", OWN_SCRIPTS, ids=lambda path: path.name)
def test_no_script_makes_html_of_text(path: Path) -> None:
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function"
    assert not re.search(forbidden, path.read_text(encoding="utf-8"))
