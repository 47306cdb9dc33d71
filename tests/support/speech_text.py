"""Word error rate between a text and its transcript."""

import re
import unicodedata

import jiwer


def plain(text: str) -> str:
    """Lower case, no punctuation, no accents: the form in which words are compared."""
    folded = unicodedata.normalize("NFKD", text.lower())
    letters = "".join(char for char in folded if not unicodedata.combining(char))
    return " ".join(re.findall(r"[a-z0-9']+", letters))


def word_error_rate(reference: str, hypothesis: str) -> float:
    return float(jiwer.wer(plain(reference), plain(hypothesis)))
