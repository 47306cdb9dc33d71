"""Drafts of a text: which tokens are checked next."""

import pytest

from src.engines.whisper.loop.draft import MAX_DRAFT, Draft

TIME = 1000
"""The first timestamp."""


def steps(draft: Draft, text: list[int]) -> int:
    """Decoder steps until `text` is written, the end mark included."""
    written, count = 0, 0
    while written <= len(text):
        expected = draft.after(text[:written], 100)
        count += 1
        for token in expected:
            if written == len(text) or token != text[written]:
                break
            written += 1
        written += 1
    return count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ([TIME, 1, 2, 3, 4, TIME + 90], 2),
        ([TIME + 7, 1, 2, 3, 4, TIME + 90], 3),  # it begins late
        ([TIME, 1, 2, TIME + 40, TIME + 40, 3, 4, TIME + 90], 3),  # two segments
        ([TIME, 1, 9, 3, 4, TIME + 90], 3),  # another token
        ([TIME, 1, 9, 2, 3, 4, TIME + 90], 4),  # one more
        ([TIME, 1, 4, TIME + 90], 3),  # two fewer
        ([TIME, 8, 8, 8, 8, 8, 8, TIME + 90], 8),  # another text
    ],
)
def test_a_draft_saves_the_steps_of_what_is_right_in_it(text: list[int], count: int) -> None:
    assert steps(Draft([1, 2, 3, 4], TIME), text) <= count < len(text) + 1 + (8 in text)


def test_a_draft_is_shorter_while_it_is_wrong_and_fits_the_room() -> None:
    draft = Draft(range(1, 100), TIME)
    assert len(draft.after([], 100)) == MAX_DRAFT
    assert len(draft.after([TIME, 500], 100)) == 4
    assert len(draft.after([TIME, 500, 501], 100)) == 4
    assert draft.after([TIME, 500, 501, 3], 2) == [4, 5]
    assert draft.after([TIME, 500, 501, 3, 4, 5, 6], 0) == []


def test_no_time_is_expected_where_the_text_begins_at_a_known_one() -> None:
    assert Draft([1, 2], TIME).after([], 100) == [TIME, 1, 2]
    draft = Draft([1, 2], TIME, begun=True)
    assert draft.after([], 100) == [1, 2]
    assert draft.after([1, 2, TIME + 50], 100) == []


def test_without_tokens_nothing_is_expected() -> None:
    assert Draft((), TIME).after((), 100) == []
