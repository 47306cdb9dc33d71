"""The protocol of a decoder process: frames of a kind, a length and that many bytes.

Nothing is ever unpickled or evaluated. The file may have taken control of its decoder, so everything that a
decoder can send must be harmless. Samples are 16-bit integers, of which every value is valid.
"""

import struct
from enum import Enum

HEADER = struct.Struct("!cI")
JOB = struct.Struct("!dH?4s")
"""What a decoder is told, along with a descriptor: the most seconds of audio that are allowed, the audio
track (0: to be chosen), whether a file that is cut off is refused, the container of a stream."""
MAX_AUDIO_BYTES = 2 * 16_000
"""Maximum number of bytes of a frame: one second of audio."""
MAX_TEXT_BYTES = 2000
MAX_DECLARED = 1e8
"""Seconds; a file that declares more is not believed."""


class Kind(Enum):
    HELLO = b"h"
    """The decoder is confined and waits for a file; the text names the limits that could not be set."""
    AUDIO = b"a"
    """Little-endian 16-bit samples, mono, 16 kHz. None at all: the decoder has got further, and is alive."""
    WARNING = b"w"
    """What a caller should know of the file."""
    LENGTH = b"d"
    """Seconds of audio that the file declares, a number. It may be wrong."""
    TRACK = b"t"
    """Which audio track was read, of how many: two whole numbers."""
    WAITS = b"p"
    """All audio of a stream has been sent that is in the bytes so far; how many bytes, a number."""
    END = b"e"
    """The file has ended."""
    NOT_AUDIO = b"n"
    """The file cannot be decoded; the text is the reason."""
    INVALID = b"i"
    """There is no such track; how many there are."""
    TOO_LARGE = b"l"
    """There is more audio than allowed; the text is the limit."""
    UNREADABLE = b"u"
    """The upload could not be read; the text is the system's error."""
    FAILED = b"f"
    """The decoder itself failed; the text is for the log."""


def frame(kind: Kind, content: bytes | str = b"") -> bytes:
    """One frame, ready to be sent."""
    if isinstance(content, str):
        content = content.encode(errors="replace")[:MAX_TEXT_BYTES]
    return HEADER.pack(kind.value, len(content)) + content
