"""Which of a beam's texts has the fewest wrong words to expect.

The best-scored text is the one most often right as a whole. Error rates count words, and for them the choice
is the text with the least expected edit distance to what was said (minimum Bayes risk): "Explicit Word Error
Minimization in N-Best List Rescoring" (Stolcke, König, Weintraub, 1997). The hypotheses of the beam stand
for all texts. It costs no decoder step, and of two texts the better-scored one is always the choice.
"""

import math
from collections.abc import Sequence
from itertools import combinations

from src.engines.whisper.quality_check import words_of

_SCALE = 0.5
"""Factor of log-probabilities, because the model is surer of its texts than it is right. See
`docs/performance.md`."""


def least_risk(texts: Sequence[str], scores: Sequence[float], length: int) -> int:
    """Index of the text whose words are, in the mean over all texts by their probability, the nearest.

    Args:
        texts: at least one. Of equal ones (their timestamps differ) the best-scored counts.
        scores: mean log-probability per token of each.
        length: tokens of the longest one. All are weighed as if they had so many, because the sum of a
            text that has lost words is higher for it.
    """
    best: dict[str, int] = {}
    for index in sorted(range(len(texts)), key=lambda index: -scores[index]):
        best.setdefault(texts[index], index)
    places = list(best.values())
    words = [words_of(texts[index]) for index in places]
    weights = [math.exp(_SCALE * length * (scores[index] - scores[places[0]])) for index in places]
    risks = [0.0] * len(places)
    for one, other in combinations(range(len(places)), 2):
        distance = word_distance(words[one], words[other])
        risks[one] += weights[other] * distance
        risks[other] += weights[one] * distance
    return places[risks.index(min(risks))]


def word_distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Words to replace, insert and delete between two texts (Levenshtein distance)."""
    start = next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    if start is None:
        return abs(len(one) - len(other))
    one, other = one[start:], other[start:]
    before = list(range(len(other) + 1))
    for row, word in enumerate(one, 1):
        now = [row]
        for column, place in enumerate(other, 1):
            now.append(min(before[column] + 1, now[-1] + 1, before[column - 1] + (word != place)))
        before = now
    return before[-1]
