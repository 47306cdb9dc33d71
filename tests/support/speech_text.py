"""Texts, and how far a transcript is from one."""

import re
import unicodedata

import jiwer


def plain(text: str) -> str:
    """Lower case, no punctuation, no accents: what word error rate is counted on."""
    folded = unicodedata.normalize("NFKD", text.lower())
    letters = "".join(char for char in folded if not unicodedata.combining(char))
    return " ".join(re.findall(r"[a-z0-9']+", letters))


def word_error_rate(said: str, heard: str) -> float:
    return float(jiwer.wer(plain(said), plain(heard)))
