import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from src.weights.archives import unpack, unpack_release
from src.weights.source import SourceFailed
from tests.support.weights import files_below, zip_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inner = tmp_path / "in" / "here"
    inner.mkdir(parents=True)
    return inner


def _archive(folder: Path, body: bytes) -> Path:
    path = folder.parent.parent / "model.zip"
    path.write_bytes(body)
    return path


def test_the_folder_around_a_release_is_left_out(folder: Path) -> None:
    body = zip_of({"top/config.json": b"{}", "top/sub/x.pth": b"x", "__MACOSX/top/._x": b"junk"})
    unpack_release(_archive(folder, body), folder)
    assert files_below(folder) == {"config.json", "sub/x.pth"}


def test_files_at_the_top_stay_there(folder: Path) -> None:
    unpack_release(_archive(folder, zip_of({"config.json": b"{}", "sub/x.pth": b"x"})), folder)
    assert files_below(folder) == {"config.json", "sub/x.pth"}


@pytest.mark.parametrize("name", ["../evil.pth", "a/../../../evil.pth", "/evil.pth"])
def test_a_path_that_leads_out_stays_inside(folder: Path, name: str) -> None:
    unpack(_archive(folder, zip_of({"config.json": b"{}", name: b"x"})), folder)
    assert (folder / "config.json").is_file()
    assert {path.name for path in folder.parent.iterdir()} == {folder.name}
    assert not Path("/evil.pth").exists()


def test_a_link_in_a_zip_becomes_a_plain_file(folder: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("model_file.pth")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    unpack(_archive(folder, buffer.getvalue()), folder)
    assert not (folder / "model_file.pth").is_symlink()


def test_a_changed_byte_is_found(folder: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("model_file.pth", b"weights" * 100)
    body = buffer.getvalue().replace(b"weights", b"Weights", 1)
    with pytest.raises(SourceFailed, match="no archive"):
        unpack_release(_archive(folder, body), folder)
    assert files_below(folder) == set()


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Sign in to the hotel's network</html>", zip_of({"a": b"b"})[:-30]],
    ids=["nothing", "a page", "a part"],  # the bytes hold the time, and workers must name a test alike
)
def test_what_is_no_zip_is_said_to_be_none(folder: Path, body: bytes) -> None:
    with pytest.raises(SourceFailed, match="no archive"):
        unpack(_archive(folder, body), folder)


def _tar(path: Path, name: str, body: bytes) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(body)
        archive.addfile(info, io.BytesIO(body))
    return path


def test_a_tar_is_unpacked(tmp_path: Path, folder: Path) -> None:
    unpack(_tar(tmp_path / "a.tgz", "p/voice.bin", b"voice"), folder)
    assert (folder / "p" / "voice.bin").read_bytes() == b"voice"


def test_a_tar_that_leads_out_or_is_damaged_is_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(SourceFailed, match="no archive"):
        unpack(_tar(tmp_path / "a.tgz", "../evil.bin", b"voice"), folder)
    cut = _tar(tmp_path / "c.tgz", "voice.bin", b"voice")
    cut.write_bytes(cut.read_bytes()[:20])
    with pytest.raises(SourceFailed, match="damaged"):
        unpack(cut, folder)
    assert files_below(tmp_path / "in") == set()
