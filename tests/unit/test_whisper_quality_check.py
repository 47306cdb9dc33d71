import math

import pytest

from src.engines.whisper import quality_check
from src.engines.whisper.quality_check import QualityIssue
from src.engines.whisper.row import Decoded, Guess, Guesses

GOOD = "The conference will begin when our glorious leader arrives."


def decoded(
    text: str = GOOD, avg_logprob: float = -0.3, no_speech_prob: float = 0.01, last_timestamp: float = 4.0
) -> Decoded:
    return Decoded((), text, last_timestamp, avg_logprob, no_speech_prob)


def test_good_text_passes() -> None:
    assert quality_check.find_issue(decoded(), 4.0, fitted=True, language="en") is None
    assert quality_check.find_issue(decoded(last_timestamp=0), 4.0, fitted=True, language="en") is None
    assert (
        quality_check.find_issue(
            decoded(text="", avg_logprob=-0.43, last_timestamp=0), 4.0, fitted=True, language="en"
        )
        is None
    )


@pytest.mark.parametrize(
    ("bad", "issue"),
    [
        (decoded(text="no " * 60), QualityIssue.COMPRESSION),
        (decoded(avg_logprob=-1.2), QualityIssue.LOGPROB),
        (decoded(text="Thank you. Thank you. Thank you. Thank you."), QualityIssue.REPETITION),
        (decoded(text=f"{GOOD} {GOOD}"), QualityIssue.REPETITION),
        (decoded(text="Please hold while we try. Please hold, while we try"), QualityIssue.REPETITION),
        (decoded(text=" ".join(map(str, range(0, 2000, 37)))), QualityIssue.TOO_FAST),
        (
            decoded(text="会議が延長されました。" + "".join(map(chr, range(0x4E00, 0x4E00 + 60)))),
            QualityIssue.TOO_FAST,
        ),
        (decoded(last_timestamp=12.0), QualityIssue.RUN_ON),
    ],
    ids=str,
)
def test_each_issue(bad: Decoded, issue: QualityIssue) -> None:
    assert quality_check.find_issue(bad, 4.0, fitted=False, language="en") is issue


@pytest.mark.parametrize(
    ("doubtful", "issue"),
    [
        (decoded(avg_logprob=-0.8), QualityIssue.LOGPROB),
        (decoded(avg_logprob=-0.43, last_timestamp=0), QualityIssue.UNFINISHED),
    ],
    ids=["improbable", "unfinished"],
)
def test_a_fitted_window_is_checked_more_strictly(doubtful: Decoded, issue: QualityIssue) -> None:
    assert quality_check.find_issue(doubtful, 4.0, fitted=True, language="en") is issue
    assert quality_check.find_issue(doubtful, 4.0, fitted=False, language="en") is None


@pytest.mark.parametrize(("language", "again"), [("es", False), ("en", True), ("ru", True), ("it", True)])
def test_a_fitted_window_is_trusted_more_where_it_reads_as_well_as_the_full_one(
    language: str, again: bool
) -> None:
    issue = quality_check.find_issue(decoded(avg_logprob=-0.5), 4.0, fitted=True, language=language)
    assert (issue is QualityIssue.LOGPROB) is again


@pytest.mark.parametrize(
    ("no_speech_prob", "avg_logprob", "silent"),
    [(0.9, -1.5, True), (0.9, -0.3, False), (0.1, -1.5, False), (0.1, -0.3, False)],
)
def test_silence_needs_both_signs(no_speech_prob: float, avg_logprob: float, silent: bool) -> None:
    one = decoded(no_speech_prob=no_speech_prob, avg_logprob=avg_logprob)
    assert quality_check.is_silence(one) is silent
    if silent:
        assert (
            quality_check.find_issue(one, 4.0, fitted=True, language="en") is None
        )  # there is nothing to try again for


@pytest.mark.parametrize(
    ("text", "said_again"),
    [
        ("no no no", False),
        ("no no no no", True),
        ("press one press two press three press four", False),
        ("a b c d a b c d", False),
        ("a b c d e a b c d e", True),
        ("", False),
    ],
)
def test_repeats(text: str, said_again: bool) -> None:
    assert quality_check.repeats(text.split()) is said_again


GUESSES = (("it", 0.6), ("es", 0.3), ("la", 0.09), ("fr", 0.01))


def version(language: str, avg_logprob: float, no_speech_prob: float = 0.0) -> tuple[Guess, Decoded]:
    one = Decoded((), "", 0.0, avg_logprob, no_speech_prob)
    return (language, dict(GUESSES)[language]), one


def test_an_unsure_language_with_an_unsure_text_is_tried_beside_others() -> None:
    versions = [version("it", -0.6)]
    assert quality_check.other_language(GUESSES, versions) == ("es", 0.3)
    versions.append(version("es", -0.4))
    assert quality_check.other_language(GUESSES, versions) is None
    assert quality_check.right_language(versions) == versions[1]


def test_an_italian_prompt_that_is_taken_for_spanish_gets_its_language_back() -> None:
    """`feature-not-avail-line` of Asterisk's Italian prompts, as Whisper base reads it in both languages."""
    guesses = (("es", 0.75), ("it", 0.19), ("pt", 0.06))
    spanish = guesses[0], Decoded((), "que la función no es activa su cuesta línea.", 2.0, -0.66, 0.0)
    italian = guesses[1], Decoded((), "quella funzione non è attiva su questa linea", 2.0, -0.27, 0.0)
    assert quality_check.other_language(guesses, [spanish]) == guesses[1]
    assert quality_check.right_language([spanish, italian]) == italian


@pytest.mark.parametrize("least", [-0.9, -0.4])
def test_the_second_language_is_right_from_its_least_likelihood_on(least: float) -> None:
    first = version("it", least + 0.1 * math.log(0.3 / 0.6))
    assert quality_check.least_logprob([first], ("es", 0.3)) == pytest.approx(least)
    for off, right in ((0.01, "es"), (-0.01, "it")):
        both = [first, version("es", least + off)]
        assert quality_check.right_language(both)[0][0] == right


@pytest.mark.parametrize(
    ("guesses", "first"),
    [
        ((("it", 0.8), ("es", 0.2)), version("it", -0.9)),  # the language is sure
        (GUESSES, version("it", -0.3)),  # the text is
        (GUESSES, version("it", -1.5, no_speech_prob=0.9)),  # there is none
        ((("it", 0.6), ("es", 0.05)), version("it", -0.9)),  # no other is likely
    ],
)
def test_otherwise_one_language_is_enough(guesses: Guesses, first: tuple[Guess, Decoded]) -> None:
    assert quality_check.other_language(guesses, [first]) is None


def test_a_slightly_likelier_text_does_not_outweigh_a_much_unlikelier_language() -> None:
    likely, unlikely = version("it", -0.5), version("fr", -0.45)
    assert quality_check.right_language([likely, unlikely]) == likely
