"""The language of a text: the model is read once, whoever asks first."""

import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from py3langid.langid import LanguageIdentifier

from src.services.text import detect


def test_texts_that_come_while_the_model_is_read_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    read = LanguageIdentifier.from_model_file
    reads = []

    def slow(*args: Any, **options: Any) -> LanguageIdentifier:
        reads.append(args)
        time.sleep(0.2)
        return read(*args, **options)

    monkeypatch.setattr(LanguageIdentifier, "from_model_file", slow)
    detect._load.cache_clear()
    texts = ["The meeting was moved to Thursday.", "La reunión se pasó al jueves."]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(detect.language_of, texts)) == ["en", "es"]
    assert len(reads) == 1


def test_only_the_weights_of_the_voices_languages_stay_in_memory() -> None:
    """All languages' are 28 MB more. The automaton that looks for n-grams is 40 MB."""
    detect._load.cache_clear()
    tracemalloc.start()
    try:
        detect.warm_up()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 60e6
