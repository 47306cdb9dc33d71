"""Which earlier texts the decoder is given with an utterance."""

from src.services.live.context import Context


def test_it_is_what_was_said_before_the_utterance() -> None:
    context = Context()
    for number, text in enumerate(("One.", "Two.", "Three.")):
        context.begin(2.0 * number)
        context.ended(str(number), text.lower(), "en", 2.0 * number + 1)
        context.completed(str(number), text, "en")
    assert context.before("0", "en") == ""
    assert context.before("2", "en") == "One. Two."
    assert context.before("new", "en") == "One. Two. Three."


def test_it_is_bounded() -> None:
    context = Context()
    for number in range(100):
        context.ended(str(number), f"This is the sentence number {number}.", "en", float(number))
    assert len(context.before("new", "en")) <= 200
    assert context.before("new", "en").endswith("number 99.")


def test_another_language_or_a_long_pause_begins_anew() -> None:
    context = Context()
    context.ended("0", "One.", "en", 1.0)
    assert context.before("new", "es") == ""
    assert context.before("new", None) == ""
    context.begin(5.0)
    assert context.before("new", "en") == "One."
    context.begin(30.0)
    assert context.before("new", "en") == ""
    context.ended("1", "Dos.", "es", 31.0)
    context.completed("1", "Two.", "en")
    assert context.before("new", "es") == ""


def test_a_text_that_repeats_itself_is_no_context() -> None:
    context = Context()
    context.ended("0", "Thank you.", "en", 1.0)
    context.ended("1", "thank you.", "en", 2.0)
    assert context.before("new", "en") == ""
