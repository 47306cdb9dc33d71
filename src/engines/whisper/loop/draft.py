"""The text that a row probably has, checked many tokens at a step.

This is speculative decoding ("Fast Inference from Transformers via Speculative Decoding", Leviathan et al.,
2023) whose draft is another reading of the same audio. That reading has no timestamps, and some other tokens.
"""

from collections.abc import Sequence

MAX_DRAFT = 32
"""Tokens of a draft that are checked in one step. Each costs a little, and of a long one the end is seldom
right."""
_FEWEST = 4
"""Tokens that are checked after a step in which none was right."""
_NEAR = 8
"""Tokens on each side of the expected one among which a token is looked for that was written in its place."""


class Draft:
    """A draft of one text.

    Args:
        tokens: text without timestamps.
        first_timestamp: tokens from it on are timestamps.
        begun: whether the text has no timestamp at its beginning.
    """

    def __init__(self, tokens: Sequence[int], first_timestamp: int, *, begun: bool = False) -> None:
        self._tokens = list(tokens)
        self._begun = begun
        self._first_timestamp = first_timestamp
        self._known = 0
        """Tokens of the text that have been compared."""
        self._at = 0
        """Index of the token of the draft that probably comes next."""
        self._offered = 0
        self._most = MAX_DRAFT

    def after(self, text: Sequence[int], room: int) -> list[int]:
        """What probably follows `text`, at most `room` tokens.

        Args:
            text: tokens written so far, timestamps included: what it was at the last call, and more.
            room: tokens that still fit.
        """
        new = text[self._known :]
        self._known = len(text)
        if self._offered:
            right = len(new) - 1  # the last one is what the decoder wrote after those that were right
            self._most = MAX_DRAFT if right == self._offered else min(MAX_DRAFT, max(_FEWEST, 2 * right))
        for token in new:
            self._pass(token)
        self._offered = 0
        words = self._tokens[self._at :]
        if not words:
            return []
        if not text:
            begin = [] if self._begun else [self._first_timestamp]
        elif text[-1] >= self._first_timestamp and len(text) > 1 and text[-2] < self._first_timestamp:
            begin = [text[-1]]  # the next segment begins where one ends
        else:
            begin = []
        found = [*begin, *words][: max(0, min(self._most, room))]
        self._offered = len(found)
        return found

    def _pass(self, token: int) -> None:
        """Move to what follows a token that was written."""
        if token >= self._first_timestamp:
            return
        near = range(max(0, self._at - _NEAR), min(len(self._tokens), self._at + _NEAR))
        places = [place for place in near if self._tokens[place] == token]
        # a token that is not in the draft probably stands for the one that was expected
        self._at = 1 + min(places, key=lambda place: abs(place - self._at), default=self._at)
