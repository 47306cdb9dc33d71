"""The last look at punctuation: one mark where there were several, none where it means nothing."""

import re

from src.services.text.language import Language

_WRAPPED = 60
"""A line longer than this that ends without a mark was wrapped by an editor; a shorter one stands alone."""

_STRENGTH = "?!.:;,"


def tidy(text: str, language: Language) -> str:
    """`text` holds the voice's alphabet only; comes back as one paragraph a line."""
    paragraphs = (_paragraph(block) for block in re.split(r"\n[ \n]*\n", text))
    return "\n".join(tidied for p in paragraphs if (tidied := _marks(p)))


def _paragraph(block: str) -> str:
    """Join the lines of a paragraph; a short line without a mark at its end (a title, an item) gets one."""
    said, length = "", 0
    for line in (line.strip() for line in block.split("\n")):
        if not line:
            continue
        wrapped = not said or length > _WRAPPED or said[-1] in _STRENGTH or line[0].islower()
        said = f"{said}{' ' if wrapped else '. '}{line}"
        length = len(line)
    return said


def _marks(text: str) -> str:
    text = re.sub(r"([^\W\d_])\1{3,}", r"\1\1\1", text)
    text = re.sub(r"(?<![^\W\d_])['-]+|['-]+(?![^\W\d_])", " ", text)
    text = re.sub(r"\.{2,}(?=\s*(?:[A-ZÁÉÍÓÚÑ¿¡]|$))", ".", text)
    text = re.sub(r"\.{2,}", ",", text)
    text = re.sub(
        r"[.,;:?!](?:\s*[.,;:?!])*", lambda m: min(m[0].replace(" ", ""), key=_STRENGTH.index), text
    )
    text = re.sub(r"\s*([¿¡])[\s¿¡.,;:?!]*", r" \1", text)
    text = re.sub(r"[¿¡](?![^\W\d_])", " ", text)
    text = re.sub(r"(?<=[^\W\d_])\s*([.,;:?!])\s*", r"\1 ", text)
    text = re.sub(r"\s+", " ", text)
    return re.sub(r"^[\s.,;:?!]+", "", text).strip()
