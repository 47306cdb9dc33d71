"""The choice among a beam's texts: the fewest wrong words to expect."""

import itertools
import random

import jiwer
import pytest

from src.engines.whisper.risk import least_risk, word_distance

TEXTS = ["uno dos seis", "uno tres cinco", "uno dos cinco"]


def test_one_text_is_the_choice() -> None:
    assert least_risk(["clave incorrecta"], [-0.3], 8) == 0


@pytest.mark.parametrize("scores", [(-0.4, -0.5), (-0.5, -0.4)])
def test_of_two_texts_the_better_scored_one_is_the_choice(scores: tuple[float, float]) -> None:
    assert least_risk(["uno dos seis", "uno dos cinco"], scores, 8) == scores.index(max(scores))


def test_words_that_most_texts_have_are_chosen() -> None:
    assert least_risk(TEXTS, [-0.40, -0.41, -0.42], 8) == 2, (
        "one word from each of the others, which have two"
    )


def test_a_text_far_likelier_than_the_others_is_the_choice() -> None:
    assert least_risk(TEXTS, [-0.1, -0.7, -0.7], 8) == 0


def test_the_same_difference_a_token_says_more_of_a_longer_text() -> None:
    scores = [-0.40, -0.50, -0.50]
    assert least_risk(TEXTS, scores, 10) == 2
    assert least_risk(TEXTS, scores, 60) == 0


def test_case_and_punctuation_are_no_words() -> None:
    texts = ["Uno, dos.", "tres dos", "uno dos"]
    assert least_risk(texts, [-0.40, -0.38, -0.41], 8) == 0, (
        "two have `uno`, and the first has the better score"
    )


def test_a_text_counts_once_however_many_timestamps_it_was_written_with() -> None:
    texts = ["uno dos", "uno tres", "uno tres", "uno tres"]
    assert least_risk(texts, [-0.30, -0.35, -0.36, -0.37], 8) == 0
    assert least_risk(texts, [-0.30, -0.35, -0.29, -0.37], 8) == 2, "the best-scored of its timestamps"


def test_texts_without_words() -> None:
    assert least_risk(["", " ..."], [-0.3, -0.2], 3) == 1
    assert least_risk(["", "uno"], [-0.1, -0.3], 3) == 0


def test_improbable_texts_overflow_nothing() -> None:
    assert least_risk(TEXTS, [-1e9, -2e9, -3e9], 224) == 0


@pytest.mark.parametrize("seed", range(3))
def test_the_distance_is_levenshteins(seed: int) -> None:
    drawn = random.Random(seed)
    texts = [["uno", *drawn.choices("abcd", k=drawn.randrange(7))] for _ in range(12)]
    for one, other in itertools.product(texts, repeat=2):
        found = jiwer.process_words(" ".join(one), " ".join(other))
        assert word_distance(one, other) == found.substitutions + found.deletions + found.insertions
