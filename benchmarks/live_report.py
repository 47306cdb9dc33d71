"""What speakers of a live benchmark were told, and what is made of it."""

import itertools
import statistics
from dataclasses import dataclass, field

import jiwer

from benchmarks.speech import normalised, word_error_rate

Clock = list[tuple[str, float]]
"""Each word of a recording with the second at which it has been spoken."""
_PHRASE = 12
"""Longest phrase, in words, whose repetition is looked for."""


@dataclass
class Speaker:
    """What one speaker was told."""

    language: str
    said: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    """Words that will not change, and the second at which each came, by utterance; those of final texts
    included. The end of one utterance may come after the beginning of the next one."""
    finals: list[str] = field(default_factory=list)
    utterances: int = 0
    contradicted: list[tuple[str, str]] = field(default_factory=list)
    """Words that were stable, and the final text that begins otherwise."""
    lags: list[float] = field(default_factory=list)
    """As the server told them."""

    @property
    def words(self) -> list[tuple[str, float]]:
        """All of `said`, in the order of the utterances."""
        return [word for words in self.said.values() for word in words]

    def told(self, text: str, now: float, item: str = "") -> None:
        """Text of the utterance `item` has come that will not change."""
        words = self.said.setdefault(item, [])
        words += [(word, now) for word in normalised(self.language, text).split()]

    def completed(self, text: str, before: str) -> None:
        """A final text has come; `before`: the stable text of the same utterance."""
        self.finals.append(text)
        words, known = normalised(self.language, text).split(), normalised(self.language, before).split()
        if words[: len(known)] != known:
            self.contradicted.append((before, text))


def every_delay(speakers: list[Speaker], clock: Clock) -> list[float]:
    """Seconds after which each word was told, of all that were recognised as in the whole file."""
    return [delay for speaker in speakers for _, delay in _delays(speaker.words, clock)]


def p95(delays: list[float]) -> float:
    """The 95th percentile; infinite if there are none."""
    ordered = sorted(delays)
    return ordered[int(0.95 * (len(ordered) - 1))] if ordered else float("inf")


def report(language: str, speakers: list[Speaker], clock: Clock, said: str, *, show: bool = False) -> None:
    """Print what was measured; with `show` also the utterances that contradict themselves."""
    count = len(speakers)
    first: list[float] = []
    for speaker in speakers:
        # the first word behind a pause of half a second begins an utterance
        first += [
            delay
            for at, delay in _delays(speaker.words, clock)
            if at == 0 or clock[at][1] - clock[at - 1][1] > 1.0
        ]
    utterances = sum(one.utterances for one in speakers)
    contradicted = [pair for one in speakers for pair in one.contradicted]
    words = [" ".join(word for word, _ in one.words) for one in speakers]
    print(f"{count} speakers, {utterances} utterances")
    print(f"  first word of an utterance: {spread(first)}")
    print(f"  every word:                 {spread(every_delay(speakers, clock))}")
    if count > 1:
        each = sorted(p95(every_delay([one], clock)) for one in speakers)
        print(f"  every word, p95 by speaker: {each[0]:.2f} to {each[-1]:.2f} s")
    if any(one.finals for one in speakers):
        finals = word_error_rate(language, [said] * count, [" ".join(one.finals) for one in speakers])
        print(f"  WER of final texts {finals:.1f} %")
    print(f"  WER of stable words {word_error_rate(language, [said] * count, words):.1f} %")
    if utterances:
        share = 100 * len(contradicted) / utterances
        print(f"  final texts that contradict stable words: {share:.1f} %")
    if show:
        for stable, final in contradicted:
            print(f"    {stable}\n    -> {final}")
    for half, lags in (("first", 0), ("second", 1)):
        part = [
            lag
            for one in speakers
            for lag in one.lags[lags * len(one.lags) // 2 : (lags + 1) * len(one.lags) // 2]
        ]
        if part:
            print(f"  lag in the {half} half: mean {statistics.fmean(part):.2f} s, most {max(part):.2f} s")
    repeated = max((times for one in words for times in repetitions(one.split())), default=1)
    print(f"  times that a phrase comes in a row: {repeated}", flush=True)


def repetitions(words: list[str]) -> list[int]:
    """How often each phrase of up to 12 words that is said twice or more in a row is said."""
    found = []
    for size in range(1, _PHRASE + 1):
        same = [words[at] == words[at + size] for at in range(len(words) - size)]
        runs = [len(list(run)) for equal, run in itertools.groupby(same) if equal]
        found += [1 + run // size for run in runs if run >= size]
    return found


def _delays(words: list[tuple[str, float]], clock: Clock) -> list[tuple[int, float]]:
    """For each word that was recognised as in the whole file: its index there, and its delay in seconds."""
    if not words or not clock:
        return []
    output = jiwer.process_words(" ".join(word for word, _ in clock), " ".join(word for word, _ in words))
    found = []
    for chunk in output.alignments[0]:
        if chunk.type == "equal":
            for offset in range(chunk.ref_end_idx - chunk.ref_start_idx):
                at, told = chunk.ref_start_idx + offset, words[chunk.hyp_start_idx + offset][1]
                found.append((at, told - clock[at][1]))
    return found


def spread(delays: list[float]) -> str:
    """Median and 95th percentile in words."""
    if not delays:
        return "none"
    ordered = sorted(delays)
    return f"p50 {ordered[len(ordered) // 2]:.2f} s, p95 {p95(delays):.2f} s (of {len(ordered)})"
