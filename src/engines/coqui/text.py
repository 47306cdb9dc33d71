"""Text for a model: the ids of its characters or phonemes, and where a sentence can be split."""

import re
from typing import Any

from src.errors import EngineFailed

_CLAUSE_END = re.compile(r"[,;:.!?…—–]+[\"'»”’)]*\s+")
_SPACE = re.compile(r"\s+")


def to_ids(model: Any, text: str) -> list[int]:
    """Ids as Coqui's `BaseTTS.synthesize` makes them: cleaner, phonemes if the config wants them, vocabulary.

    Raises:
        EngineFailed: the model knows none of the characters.
    """
    names = model.language_manager.language_names
    ids: list[int] = model.tokenizer.text_to_ids(text, language=names[0] if len(names) == 1 else None)
    # the tokenizer would collect unknown characters for as long as it lives
    model.tokenizer.not_found_characters.clear()
    if not ids:
        raise EngineFailed(f"the voice knows none of the {len(text)} characters of a sentence")
    return ids


def split_text(text: str) -> tuple[str, str] | None:
    """Split a sentence into two, between clauses or else between words, as near to its middle as possible.

    Returns None for a single word.
    """
    for boundary in (_CLAUSE_END, _SPACE):
        cuts = [match.end() for match in boundary.finditer(text)]
        cuts = [cut for cut in cuts if _is_speakable(text[:cut]) and _is_speakable(text[cut:])]
        if cuts:
            cut = min(cuts, key=lambda cut: abs(cut - len(text) / 2))
            return _with_final_mark(text[:cut]), text[cut:].strip()
    return None


def _is_speakable(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _with_final_mark(text: str) -> str:
    """The text with punctuation at its end, without which a voice does not know that it may stop."""
    text = text.strip()
    return text + "." if text[-1].isalnum() or text[-1] == "/" else text
