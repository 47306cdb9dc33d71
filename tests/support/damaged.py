"""Kinds of damage to a file, by accident or on purpose. Equal seeds give equal damage."""

import random
from collections.abc import Callable

_HEADER = 200
"""Bytes in which most formats say what they are and how much there is of it."""
_EXTREMES = (0, 0x7F, 0x80, 0xFF)
_LENGTHS = (0, 1, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)

Way = Callable[[random.Random, bytes, bytes], bytes]
"""Chance, the file, another file of some other kind."""


def cut(chance: random.Random, whole: bytes, other: bytes) -> bytes:
    return whole[: chance.randrange(len(whole))]


def beheaded(chance: random.Random, whole: bytes, other: bytes) -> bytes:
    return whole[chance.randrange(1, len(whole)) :]


def bits_flipped(chance: random.Random, whole: bytes, other: bytes) -> bytes:
    content = bytearray(whole)
    for _ in range(chance.randrange(1, 20)):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return bytes(content)


def bytes_changed(chance: random.Random, whole: bytes, other: bytes) -> bytes:
    content = bytearray(whole)
    for _ in range(chance.randrange(1, 200)):
        content[chance.randrange(len(content))] = chance.randrange(256)
    return bytes(content)


def header_at_extremes(chance: random.Random, whole: bytes, other: bytes) -> bytes:
    content = bytearray(whole)
    for _ in range(8):
        content[chance.randrange(min(_HEADER, len(content)))] = chance.choice(_EXTREMES)
    return bytes(content)


def absurd_length(chance: random.Random, whole: bytes, other: bytes) -> bytes:
    """Four bytes of the header are overwritten with an absurd length."""
    content = bytearray(whole)
    at = chance.randrange(4, min(_HEADER, len(content) - 4))
    content[at : at + 4] = chance.choice(_LENGTHS).to_bytes(4, chance.choice(("big", "little")))
    return bytes(content)


def with_a_hole(chance: random.Random, whole: bytes, other: bytes) -> bytes:
    start = chance.randrange(len(whole))
    return whole[:start] + whole[start + chance.randrange(1, 2000) :]


def zeroed(chance: random.Random, whole: bytes, other: bytes) -> bytes:
    start = chance.randrange(len(whole))
    size = min(chance.randrange(1, 2000), len(whole) - start)
    return whole[:start] + bytes(size) + whole[start + size :]


def spliced(chance: random.Random, whole: bytes, other: bytes) -> bytes:
    return whole[: chance.randrange(len(whole))] + other[chance.randrange(len(other)) :]


def under_a_wrong_name(chance: random.Random, whole: bytes, other: bytes) -> bytes:
    """The first bytes are those of another format."""
    size = chance.choice((4, 12, 40))
    return other[:size] + whole[size:]


def said_twice(chance: random.Random, whole: bytes, other: bytes) -> bytes:
    start = chance.randrange(len(whole))
    end = chance.randrange(start, len(whole)) + 1
    return whole[:end] + whole[start:end] * chance.randrange(1, 5) + whole[end:]


WAYS: tuple[Way, ...] = (
    cut, beheaded, bits_flipped, bytes_changed, header_at_extremes, absurd_length, with_a_hole, zeroed,
    spliced, under_a_wrong_name, said_twice,
)  # fmt: skip
