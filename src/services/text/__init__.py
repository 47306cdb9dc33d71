"""Text as people write it to text as it is said: `to_speech`."""

from src.services.text.sentences import Piece
from src.services.text.speech import to_speech

__all__ = ["Piece", "to_speech"]
