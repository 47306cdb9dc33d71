"""Text as people write it to text as it is said: `to_speech`, with marks and lexicons `to_pieces`."""

from src.services.text.marked import Pronunciation, Silence, to_pieces
from src.services.text.sentences import Piece
from src.services.text.speech import to_speech

__all__ = ["Piece", "Pronunciation", "Silence", "to_pieces", "to_speech"]
