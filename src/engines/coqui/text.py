"""Text to the ids of a model's characters or phonemes."""

from typing import Any

from src.errors import EngineFailed


def to_ids(model: Any, text: str) -> list[int]:
    """As `BaseTTS.synthesize` makes them: the config's cleaner, its phonemes if it wants any, its characters.

    Raises:
        EngineFailed: the model knows none of the characters.
    """
    names = model.language_manager.language_names
    ids: list[int] = model.tokenizer.text_to_ids(text, language=names[0] if len(names) == 1 else None)
    # the tokenizer gathers what it does not know, for as long as it lives
    model.tokenizer.not_found_characters.clear()
    if not ids:
        raise EngineFailed(f"the voice knows none of the {len(text)} characters of a sentence")
    return ids
