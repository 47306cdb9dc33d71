"""The image's Dockerfile against the files that a build is sent."""

import re
from fnmatch import fnmatch

from tests.support.deploy_host import REPOSITORY


def in_context(path: str) -> bool:
    """Whether a build is sent a path, by .dockerignore: the last line that matches it or a parent decides."""
    sent = True
    parts = path.split("/")
    parents = ["/".join(parts[: number + 1]) for number in range(len(parts))]
    for line in (REPOSITORY / ".dockerignore").read_text().splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        keeps = pattern.startswith("!")
        pattern = pattern.removeprefix("!")
        depth = pattern.count("/")
        if any(parent.count("/") == depth and fnmatch(parent, pattern) for parent in parents):
            sent = keeps
    return sent


def test_what_the_image_copies_is_there_and_sent() -> None:
    text = (REPOSITORY / "Dockerfile").read_text().replace("\\\n", " ")
    sources = [
        source
        for copied in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
        for source in copied.split()[:-1]
    ]
    assert {"src", "deploy/ray", "requirements-ray.lock"} <= set(sources)
    for source in sources:
        assert (REPOSITORY / source).exists(), source
        assert in_context(source), f"{source} is not in .dockerignore"
    assert not in_context(".env")
    assert not in_context("deploy/host.sh")
