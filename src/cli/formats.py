"""What is written of a transcription."""

from enum import StrEnum

from voz.calls import TextFormat


class Format(StrEnum):
    """What is written of a transcription."""

    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    JSON = "json"

    @property
    def document(self) -> TextFormat | None:
        """What the server is asked for; None: the segments are enough."""
        match self:
            case Format.TXT:
                return "text"
            case Format.SRT:
                return "srt"
            case Format.VTT:
                return "vtt"
            case _:
                return None
