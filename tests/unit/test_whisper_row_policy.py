"""What is done next with a row, decision by decision, without a model."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from src.engines.whisper import quality_check
from src.engines.whisper.quality_check import TEMPERATURES, QualityIssue
from src.engines.whisper.row import BEAM, FULL_WINDOW, Decoded, WhisperRow
from src.engines.whisper.row_policy import Action, RowPolicy

SURE = {"en": 0.97, "es": 0.03}
UNSURE = {"it": 0.5, "es": 0.4, "en": 0.1}


def row(window: int = 700, language: str | None = None, **options: object) -> WhisperRow:
    given: dict[str, object] = {"beam": BEAM} | options
    return WhisperRow(np.zeros((80, 300), np.float32), 3.0, window, language, **given)  # type: ignore[arg-type]


def text(said: str = "the conference has been extended", avg_logprob: float = -0.2) -> Decoded:
    return Decoded((1,), said, 3.0, avg_logprob, 0.01)


GOOD, BAD = text(), text(avg_logprob=-3.0)


def run(
    policy: RowPolicy, texts: Mapping[tuple[int, str, float], Decoded], languages: dict[str, float]
) -> list[str]:
    """Do what the policy asks for, as a back end would; what was done, in words."""
    done = []
    while policy.action is not Action.DONE:
        if policy.action is Action.DETECT:
            done.append(f"detect {policy.window}")
            policy.language_detected(languages)
        else:
            what = policy.window, policy.language, policy.temperature
            done.append("{} {} {}".format(*what))
            policy.text_decoded(texts.get(what, BAD))
    return done


def test_a_good_text_is_the_result_at_once() -> None:
    policy = RowPolicy(row(), multilingual=True)
    assert run(policy, {(700, "en", 0.0): GOOD}, SURE) == ["detect 700", "700 en 0.0"]
    assert policy.decoded is GOOD
    assert policy.first_issue is None
    assert [language for language, _ in policy.languages] == ["en", "es"]


def test_a_known_language_is_not_detected() -> None:
    policy = RowPolicy(row(language="es"), multilingual=True)
    assert run(policy, {(700, "es", 0.0): GOOD}, SURE) == ["700 es 0.0"]
    assert policy.languages == (("es", 1.0),)
    english_only = RowPolicy(row(), multilingual=False)
    assert run(english_only, {(700, "en", 0.0): GOOD}, SURE) == ["700 en 0.0"]


@pytest.mark.parametrize("multilingual", [True, False])
def test_detection_alone_ends_without_a_text(multilingual: bool) -> None:
    policy = RowPolicy(row(detect_only=True), multilingual)
    assert run(policy, {}, SURE if multilingual else {"en": 1.0}) == ["detect 700"]
    assert policy.decoded is None
    assert policy.languages[0][0] == "en"


def test_a_doubtful_row_gets_the_full_window_and_then_higher_temperatures() -> None:
    policy = RowPolicy(row(), multilingual=True)
    done = run(policy, {(FULL_WINDOW, "en", 0.4): GOOD}, SURE)
    assert done == [
        "detect 700",
        "700 en 0.0",
        f"detect {FULL_WINDOW}",
        "3000 en 0.0",
        "3000 en 0.2",
        "3000 en 0.4",
    ]
    assert policy.decoded is GOOD
    assert policy.first_issue is QualityIssue.LOGPROB
    assert [one.issue for one in policy.attempts] == [QualityIssue.LOGPROB] * 3 + [None]


def test_when_nothing_helps_the_likeliest_text_is_the_result_with_its_language() -> None:
    likeliest = text(avg_logprob=-2.0)
    policy = RowPolicy(row(), multilingual=True)
    done = run(policy, {(700, "en", 0.0): likeliest}, SURE)
    assert len(done) == 2 * 2 + len(TEMPERATURES) - 1
    assert policy.decoded is likeliest
    assert policy.languages[0][0] == "en"


LOOP = text("good-bye, " * 60)


@pytest.mark.parametrize(
    ("first", "later", "looped"),
    [(LOOP, LOOP, True), (LOOP, BAD, True), (BAD, BAD, False), (LOOP, GOOD, False), (GOOD, GOOD, False)],
    ids=["always", "once", "never", "mended", "good"],
)
def test_a_row_that_went_round_in_a_loop_and_never_passed_says_so(
    first: Decoded, later: Decoded, looped: bool
) -> None:
    policy = RowPolicy(row(language="en"), multilingual=True)
    while policy.action is not Action.DONE:
        policy.text_decoded(first if not policy.attempts else later)
    assert policy.outcome(None).looped is looped
    assert policy.outcome(None).decoded is policy.decoded


def test_a_text_that_goes_round_skips_every_other_temperature() -> None:
    policy = RowPolicy(row(FULL_WINDOW, "es"), multilingual=True)
    looped = text("no, " * 40)
    texts = {(FULL_WINDOW, "es", temperature): looped for temperature in TEMPERATURES}
    assert run(policy, texts, SURE) == ["3000 es 0.0", "3000 es 0.4", "3000 es 0.8"]
    assert policy.decoded is looped


def test_a_repetition_that_is_read_twice_was_said() -> None:
    texts = {(700, "en", 0.0): text("No, no, no, no."), (FULL_WINDOW, "en", 0.0): text("no no no no")}
    policy = RowPolicy(row(language="en"), multilingual=True)
    assert run(policy, texts, SURE) == ["700 en 0.0", "3000 en 0.0"]
    assert policy.decoded is texts[FULL_WINDOW, "en", 0.0]
    assert not policy.outcome(None).looped
    texts = {(700, "en", 0.0): LOOP, (FULL_WINDOW, "en", 0.0): LOOP, (FULL_WINDOW, "en", 0.4): GOOD}
    assert run(RowPolicy(row(language="en"), multilingual=True), texts, SURE)[-1] == "3000 en 0.4"


def test_only_a_fitted_window_is_checked_strictly() -> None:
    unsure = text(avg_logprob=(quality_check.MIN_LOGPROB + quality_check.MIN_LOGPROB_FITTED) / 2)
    texts = dict.fromkeys(((700, "en", 0.0), (FULL_WINDOW, "en", 0.0)), unsure)
    done = run(RowPolicy(row(language="en"), multilingual=True), texts, SURE)
    assert done == ["700 en 0.0", "3000 en 0.0"]
    assert run(
        RowPolicy(row(FULL_WINDOW, "en"), multilingual=True), {(FULL_WINDOW, "en", 0.0): unsure}, SURE
    ) == ["3000 en 0.0"]


@pytest.mark.parametrize(("spanish", "right"), [(-0.3, "es"), (-0.9, "it")])
def test_an_unsure_row_is_decoded_in_two_languages(spanish: float, right: str) -> None:
    texts = {(700, "it", 0.0): text(avg_logprob=-0.5), (700, "es", 0.0): text("hola", spanish)}
    policy = RowPolicy(row(), multilingual=True)
    assert run(policy, texts, UNSURE)[:3] == ["detect 700", "700 it 0.0", "700 es 0.0"]
    assert policy.languages[0][0] == right
    assert policy.decoded is texts[700, right, 0.0]
    assert policy.first_issue is QualityIssue.LANGUAGE
    assert [one.language for one in policy.attempts][:2] == ["it", "es"]
    assert sorted(policy.languages) == sorted(UNSURE.items())


def test_while_a_row_is_decoded_in_the_second_language_the_first_text_is_its_rival() -> None:
    policy = RowPolicy(row(), multilingual=True)
    policy.language_detected(UNSURE)
    assert policy.rival is None
    first = text(avg_logprob=-0.6)
    policy.text_decoded(first)
    assert policy.language == "es"
    assert policy.rival is not None
    least, of = policy.rival
    assert of is first
    assert least == pytest.approx(-0.6 + 0.1 * math.log(0.5 / 0.4))
    policy.text_decoded(text("hola", least + 0.01))
    assert policy.language == "es"
    assert policy.rival is None


def test_in_each_window_the_languages_are_weighed_anew() -> None:
    texts = {(FULL_WINDOW, "es", 0.0): text("hola")}
    policy = RowPolicy(row(), multilingual=True)
    assert run(policy, texts, UNSURE) == [
        "detect 700",
        "700 it 0.0",
        "700 es 0.0",
        f"detect {FULL_WINDOW}",
        f"{FULL_WINDOW} it 0.0",
        f"{FULL_WINDOW} es 0.0",
    ]
    assert policy.languages[0][0] == "es"


@pytest.mark.parametrize("language", ["it", "es"])
def test_where_the_language_is_unsure_an_improbable_text_is_no_reason_for_the_full_window(
    language: str,
) -> None:
    improbable = text(avg_logprob=(quality_check.MIN_LOGPROB - 0.7) / 2)
    texts = {(700, "it", 0.0): improbable, (700, "es", 0.0): improbable}
    unsure = {language: 0.79, "en": 0.08, "fr": 0.07, "pt": 0.06}
    assert run(RowPolicy(row(), multilingual=True), texts, unsure) == ["detect 700", f"700 {language} 0.0"]
    sure = {language: 0.95, "en": 0.05}
    assert run(RowPolicy(row(), multilingual=True), texts, sure)[:3] == [
        "detect 700",
        f"700 {language} 0.0",
        f"detect {FULL_WINDOW}",
    ]
    looped = {(700, language, 0.0): LOOP}  # what is wrong otherwise still is
    assert f"detect {FULL_WINDOW}" in run(RowPolicy(row(), multilingual=True), looped, unsure)


def test_words_are_aligned_only_where_there_are_some() -> None:
    policy = RowPolicy(row(language="en", words=True), multilingual=True)
    assert not policy.wants_alignment
    run(policy, {(700, "en", 0.0): GOOD}, SURE)
    assert policy.wants_alignment
    silent = RowPolicy(row(language="en", words=True), multilingual=True)
    run(silent, {(700, "en", 0.0): Decoded((), "", 0.0, -0.2, 0.01)}, SURE)
    assert silent.decoded is not None
    assert not silent.wants_alignment


@pytest.mark.parametrize("temperature", [0.01, 0.7, 1.0])
def test_a_row_that_names_a_temperature_is_decoded_at_no_other(temperature: float) -> None:
    one = replace(row(language="en"), temperature=temperature)
    policy = RowPolicy(one, multilingual=True)
    done = run(policy, {}, SURE)
    assert done == [f"{window} en {temperature}" for window in (700, FULL_WINDOW)]
    assert policy.decoded is not None


@pytest.mark.parametrize("temperature", [5e-324, 0.009])
def test_a_temperature_that_logits_cannot_be_divided_by_is_none(temperature: float) -> None:
    policy = RowPolicy(replace(row(language="en"), temperature=temperature), multilingual=True)
    assert run(policy, {(700, "en", 0.0): GOOD}, SURE) == ["700 en 0.0"]


def greedy(said: str = "the conference has been extended", avg_logprob: float = -0.2) -> Decoded:
    return replace(text(said, avg_logprob), greedy=True)


def run_late(first: Decoded, then: Decoded = GOOD) -> tuple[RowPolicy, list[bool]]:
    """Decode until the policy is done: the first text, then another one; whether each search opened late."""
    policy = RowPolicy(row(language="es", beam=None), multilingual=True)
    late = []
    while policy.action is not Action.DONE:
        late.append(policy.opens_late)
        policy.text_decoded(then if policy.attempts else first)
    return policy, late


def test_a_sure_text_that_was_decoded_greedily_is_the_result() -> None:
    policy, late = run_late(greedy())
    assert late == [True]
    assert policy.decoded == greedy()


@pytest.mark.parametrize(
    "first",
    [
        greedy(avg_logprob=quality_check.SURE_GREEDY - 0.01),
        greedy("no, no, no, no, no"),
        replace(LOOP, greedy=True),
    ],
    ids=["unsure", "repeats", "loop"],
)
def test_a_doubtful_text_that_was_decoded_greedily_gets_a_beam_search(first: Decoded) -> None:
    policy, late = run_late(first)
    assert late == [True, False]
    assert [one.window for one in policy.attempts] == [700, 700]
    assert policy.decoded is GOOD
    assert policy.first_issue is None  # a wider search is no retry


def test_a_text_of_a_beam_search_is_not_searched_for_again() -> None:
    policy, late = run_late(text(avg_logprob=quality_check.SURE_GREEDY - 0.01))
    assert late == [True]
    assert policy.first_issue is None


def test_a_row_that_is_decoded_again_keeps_the_beam_search() -> None:
    policy, late = run_late(greedy(avg_logprob=-3.0), BAD)
    assert late == [True, *[False] * (len(TEMPERATURES) + 1)]
    assert [one.window for one in policy.attempts][:3] == [700, 700, FULL_WINDOW]
    assert policy.first_issue is QualityIssue.LOGPROB


@pytest.mark.parametrize("beam", [1, 3])
def test_a_row_may_say_how_many_hypotheses_it_wants(beam: int) -> None:
    policy = RowPolicy(row(language="en", beam=beam), multilingual=True)
    assert (policy.beam, policy.opens_late) == (beam, False)


def test_silence_needs_no_beam_search() -> None:
    _, late = run_late(Decoded((), "", 0.0, -2.0, 0.9, greedy=True))
    assert late == [True]


@pytest.mark.parametrize(("languages", "late"), [(SURE, True), (UNSURE, False)])
def test_where_the_language_is_unsure_the_search_is_wide_from_the_start(
    languages: dict[str, float], late: bool
) -> None:
    policy = RowPolicy(row(beam=None), multilingual=True)
    policy.language_detected(languages)
    assert policy.opens_late is late
