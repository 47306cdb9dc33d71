"""What the live benchmark makes of the words that a speaker was told."""

import pytest

from benchmarks.live_report import Speaker, every_delay, p95


def test_the_end_of_an_utterance_that_comes_late_stands_before_the_next_one() -> None:
    speaker = Speaker("en")
    for text, now, item in [
        ("press the", 1.5, "a"),
        ("thank", 4.0, "b"),
        ("key", 4.5, "a"),
        ("you", 5.0, "b"),
    ]:
        speaker.told(text, now, item)
    assert [word for word, _ in speaker.words] == ["press", "the", "key", "thank", "you"]
    clock = [("press", 1.0), ("the", 1.2), ("key", 1.6), ("thank", 3.0), ("you", 3.5)]
    assert every_delay([speaker], clock) == pytest.approx([0.5, 0.3, 2.9, 1.0, 1.5])
    assert p95(every_delay([speaker], clock)) == pytest.approx(1.5)
