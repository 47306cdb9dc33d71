"""Does an MP4 claim an index that would eat the machine?

FFmpeg lays out one entry of 24 to 36 bytes for every sample that the index claims, before it reads any: a
kilobyte that claims 67 million samples was seen to cost 0.8 GB, and each track of a file may claim as many.
So the claims are added up first. Tables are looked for wherever they stand outside of the sound itself, as
FFmpeg takes them anywhere; only where all of them stand in their proper place is each track judged alone.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from src.core.errors import NotAudio

_MOST_ENTRIES = 8_000_000
"""A film of two hours has under a million; the entries of as many as this take 0.3 GB."""
_SMALLEST_RUN = 160
"""Samples of uncompressed sound that FFmpeg puts into an entry at the least."""
_TABLES = (b"elst", b"stsz", b"stz2", b"stts", b"stsc", b"stco", b"co64", b"trun")
_TABLE = re.compile(b"|".join(_TABLES))
_PARENTS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf", b"udta", b"ilst"}
_DEEPEST = 8


def check_index(index: bytes) -> None:
    """Raise NotAudio if `index`, all of an MP4 but its `mdat` boxes, claims too much."""
    if b"cmov" in index:
        raise NotAudio("the file has a compressed index, which is not taken")
    tracks, pictures = _in_place(index)
    everywhere = _Track(index, list(_found(index, pictures)))
    if sum(len(track.tables) for track in tracks) != len(everywhere.tables):
        tracks = [everywhere]
    entries = sum(track.entries() for track in tracks)
    if entries > _MOST_ENTRIES:
        raise NotAudio(f"the file claims an index of {entries} entries, which is no recording")


@dataclass(frozen=True, slots=True)
class _Track:
    """A track of the index, or the whole of it: where its tables are (after their names)."""

    index: bytes
    tables: list[tuple[bytes, int]] = field(default_factory=list)
    sound: bool = False

    def entries(self) -> int:
        """The most that FFmpeg can make of it."""
        samples = sum(self._samples(name, at) for name, at in self.tables)
        chunks = sum(self._number(at + 4) for name, at in self.tables if name in {b"stco", b"co64"})
        # the offsets of chunks are really there, the samples in each are only claimed
        chunks = min(chunks, len(self.index) // 4)
        runs = self._longest_chunk() * chunks // _SMALLEST_RUN
        edits = sum(self._number(at + 4) for name, at in self.tables if name == b"elst")
        return (samples + runs) * max(1, min(edits, len(self.index) // 12))

    def _samples(self, name: bytes, at: int) -> int:
        match name:
            case b"stsz":
                # sound of one sample size and duration is indexed by runs, not by samples
                plain = self._number(at + 4) > 0 and self.sound and self._every_sample_lasts_one()
                return 0 if plain else self._number(at + 8)
            case b"stz2":
                return self._number(at + 8)
            case b"trun":
                return self._number(at + 4)
        return 0

    def _every_sample_lasts_one(self) -> bool:
        durations = [at for name, at in self.tables if name == b"stts"]
        return all(self._number(at + 4) == 1 and self._number(at + 12) == 1 for at in durations)

    def _longest_chunk(self) -> int:
        longest = 0
        for name, at in self.tables:
            if name == b"stsc":
                end = min(len(self.index), at + 8 + 12 * self._number(at + 4))
                rows = self.index[at + 8 : at + 8 + (end - at - 8) // 12 * 12]
                longest = max([longest, *(row[1] for row in struct.iter_unpack(">III", rows))])
        return longest

    def _number(self, at: int) -> int:
        return int.from_bytes(self.index[at : at + 4])


def _found(index: bytes, pictures: list[range]) -> Iterator[tuple[bytes, int]]:
    for match in _TABLE.finditer(index):
        if not any(match.start() in picture for picture in pictures):
            yield match.group(), match.end()


def _in_place(index: bytes) -> tuple[list[_Track], list[range]]:
    """Each `trak` with the tables that stand where they should, and the fragments as one more.

    Then where the cover pictures are, in which any four letters may come by chance.
    """
    fragments = _Track(index)
    tracks = [fragments]
    pictures: list[range] = []

    def walk(at: int, end: int, track: _Track, depth: int) -> None:
        while at + 8 <= end and depth < _DEEPEST:
            length, name = struct.unpack_from(">I4s", index, at)
            if length < 8 or at + length > end:
                return
            if name in _TABLES:
                track.tables.append((name, at + 8))
            elif name == b"covr":
                pictures.append(range(at, at + length))
            elif name == b"trak":
                inside = index[at : at + length]
                sound = b"soun" in inside and not any(kind in inside for kind in (b"vide", b"subp", b"clcp"))
                tracks.append(_Track(index, [], sound))
                walk(at + 8, at + length, tracks[-1], depth + 1)
            elif name == b"meta" and index[at + 16 : at + 20] == b"hdlr":
                walk(at + 12, at + length, track, depth + 1)
            elif name in _PARENTS:
                walk(at + 8, at + length, track, depth + 1)
            at += length

    walk(0, len(index), fragments, 0)
    return tracks, pictures
