"""Is a media file all there? Read from its own framing, before a decoder is let near it.

FFmpeg plays what it finds and is silent about what is missing. The containers below say how long their parts
are, so a file that ends too early can be told from a short one. What cannot be told: a bare MP3, AAC or FLAC
stream that ends between two frames (`decode.py` sees one that ends within a frame), an Ogg file that ends
between two pages, a fragmented MP4 that ends between two fragments, and whatever is written by recorders
that leave the length open.
"""

import struct
from typing import BinaryIO

_SLACK = 64
"""Number of bytes that may be missing: some recorders count their own header as audio."""
_OPEN = 0x7FFFF000
"""32-bit sizes from this value on mean "until the end". Streaming writers use them for unknown sizes."""
_MOST_PARTS = 1_000_000
"""Maximum number of parts that are checked. A file with more counts as complete."""
_MP4_BODIES = {b"moov", b"mdat", b"moof"}
_EBML_SEGMENT, _EBML_CLUSTER = 0x18538067, 0x1F43B675
_OGG_PAGE_MOST = 27 + 255 + 255 * 255


def missing_part(file: BinaryIO, size: int) -> str | None:
    """What a file of `size` bytes says should be there and is not; None if nothing is missing."""
    file.seek(0)
    start = file.read(12)
    if start[:4] in {b"RIFF", b"RF64", b"FORM"}:
        return _iff(file, size, big=start[:4] == b"FORM", long=start[:4] == b"RF64")
    if start[4:8] in {b"ftyp", b"moov", b"mdat", b"styp", b"wide", b"free"}:
        return _mp4(file, size)
    if start[:4] == b"\x1a\x45\xdf\xa3":
        return _matroska(file, size)
    if start[:4] == b"OggS":
        return _ogg(file, size)
    if start[:4] == b"caff":
        return _caf(file, size)
    return None


def _iff(file: BinaryIO, size: int, *, big: bool, long: bool) -> str | None:
    """WAV, AVI (RIFF) and AIFF (FORM): chunks of a name, a size and that many bytes, padded to even."""
    at = 12
    long_size = None
    for _ in range(_MOST_PARTS):
        file.seek(at)
        header = file.read(8)
        if len(header) < 8:
            return None
        name, length = struct.unpack(">4sI" if big else "<4sI", header)
        if name == b"ds64" and long:
            riff = file.read(16)
            long_size = struct.unpack("<Q", riff[8:])[0] if len(riff) == 16 else None
        if name == b"data" and long_size is not None:
            length = long_size
        elif length == 0 or length >= _OPEN:
            return None
        if at + 8 + length > size + _SLACK:
            return f"it should hold {length} bytes in one part, but {max(0, size - at - 8)} are there"
        if name in {b"data", b"SSND"}:
            return None  # tags may follow that are no chunks
        at += 8 + length + length % 2
    return None


def _caf(file: BinaryIO, size: int) -> str | None:
    """Core Audio: chunks of a name, a long size (-1: until the end) and that many bytes."""
    at = 8
    for _ in range(_MOST_PARTS):
        file.seek(at)
        header = file.read(12)
        if len(header) < 12:
            return None
        length = struct.unpack(">q", header[4:])[0]
        if length < 0:
            return None
        at += 12 + length
        if at > size + _SLACK:
            return f"it should hold {length} bytes in one part, but {size - at + length} are there"
    return None


def _mp4(file: BinaryIO, size: int) -> str | None:
    """MP4, M4A, MOV, 3GP: boxes of a size, a name and the rest."""
    at = 0
    found: set[bytes] = set()
    for _ in range(_MOST_PARTS):
        file.seek(at)
        header = file.read(16)
        if len(header) < 8:
            break
        length, name = struct.unpack(">I4s", header[:8])
        if length == 1 and len(header) == 16:
            length = struct.unpack(">Q", header[8:])[0]
        found.add(name)
        if length == 0 or length < 8:
            length = size - at
        if at + length > size and name in _MP4_BODIES:
            return f"its part `{name.decode()}` ends after the file does"
        at += length
    if b"mdat" in found and not found & {b"moov", b"moof"}:
        return "its index (`moov`) is missing, which recorders write last"
    return None


def _matroska(file: BinaryIO, size: int) -> str | None:
    """Matroska and WebM: elements of a number, a size and that many bytes, each inside another."""
    at = 0
    for _ in range(_MOST_PARTS):
        file.seek(at)
        header = file.read(12)
        if len(header) < 2:
            return "it ends within an element" if header else None
        name_length = 9 - header[0].bit_length()
        if name_length > 4:
            return None  # no element: a decoder finds the next one
        size_length = 9 - header[name_length : name_length + 1].ljust(1, b"\xff")[0].bit_length()
        at += name_length + size_length
        if at > size:
            return "it ends within an element"
        name = int.from_bytes(header[:name_length])
        unknown = (1 << 7 * size_length) - 1
        length = int.from_bytes(header[name_length : name_length + size_length]) & unknown
        if length == unknown and name in {_EBML_SEGMENT, _EBML_CLUSTER}:
            continue
        if size_length > 8 or length == unknown:
            return None
        if at + length > size:
            return "an element ends after the file does"
        if name != _EBML_SEGMENT:
            at += length
    return None


def _ogg(file: BinaryIO, size: int) -> str | None:
    """Ogg: pages, each with the sizes of its segments. Only the last one can be short."""
    file.seek(max(0, size - _OGG_PAGE_MOST - 4))
    tail = file.read(_OGG_PAGE_MOST + 4)
    at = tail.rfind(b"OggS\0")
    if at < 0:
        return None
    page = tail[at:]
    segments = page[27 : 27 + page[26]] if len(page) > 26 else b""
    if len(page) < 27 or len(segments) < page[26] or len(page) < 27 + len(segments) + sum(segments):
        return "it ends within a page"
    return None


def mp3_counts_its_frames(file: BinaryIO) -> bool:
    """Whether the first frame of an MP3 is a Xing or Info tag that tells how many frames follow."""
    file.seek(0)
    start = file.read(10)
    at = 0
    if start[:3] == b"ID3" and len(start) == 10:
        for byte in start[6:]:
            at = at << 7 | byte & 0x7F
        at += 10
    file.seek(at)
    frame = file.read(2048)
    tag = max(frame.find(b"Xing"), frame.find(b"Info"))
    return tag >= 0 and bool(frame[tag + 7 : tag + 8]) and frame[tag + 7] & 1 == 1
