"""Whisper's tokens: how a prompt is made, and how decoded tokens become text and times."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import tokenizers
from faster_whisper.tokenizer import _LANGUAGE_CODES, Tokenizer

from src.engines.base import STT_SAMPLE_RATE
from src.engines.whisper.row import MAX_TOKENS

ALL_LANGUAGES: tuple[str, ...] = tuple(_LANGUAGE_CODES)
SECONDS_PER_TIMESTAMP = 0.02
SAMPLES_PER_TIMESTAMP = round(SECONDS_PER_TIMESTAMP * STT_SAMPLE_RATE)
_MAX_PROMPT = MAX_TOKENS // 2 - 1
"""Most tokens of previous text; Whisper was trained on no more."""


def _byte_alphabet() -> dict[str, int]:
    """The character that GPT-2's vocabulary writes for each byte, and the byte."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + n): byte for n, byte in enumerate(others)}


_BYTES = _byte_alphabet()


class Vocabulary:
    """The tokens of one model folder. Safe to use from several threads."""

    def __init__(self, folder: Path, multilingual: bool) -> None:
        self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.multilingual = multilingual
        self.languages: tuple[str, ...] = tuple(
            code for code in ALL_LANGUAGES if self._tokenizer.token_to_id(f"<|{code}|>") is not None
        )
        if not multilingual:
            self.languages = ("en",)
        self.language_tokens: list[int] = []
        """The token of each of `languages`; empty for an English-only model."""
        if multilingual:
            self.language_tokens = [self.of(code, "transcribe").language for code in self.languages]
        plain = self.of("en", "transcribe")
        self.end: int = plain.eot
        self.first_timestamp: int = plain.timestamp_begin
        self.start_of_transcript: int = plain.sot
        self.no_speech: int = plain.no_speech
        self.no_timestamps: int = plain.no_timestamps
        self._previous: int = plain.sot_prev
        self.suppressed: list[int] = sorted(
            {
                *plain.non_speech_tokens,
                *(plain.sot, plain.sot_prev, plain.sot_lm, plain.no_speech),
                *((plain.transcribe, plain.translate) if multilingual else ()),
            }
        )

    @lru_cache(maxsize=256)  # noqa: B019 - as many as there are languages and tasks; lives as long as the engine
    def of(self, language: str, task: str) -> Tokenizer:
        """faster-whisper's tokenizer for one language and task."""
        return Tokenizer(self._tokenizer, self.multilingual, task=task, language=language)

    def previous(self, text: str, taken: int = 0) -> tuple[int, ...]:
        """Tokens of a caller's hint, in the place of previous text. A long one loses its start.

        Args:
            text: the hint.
            taken: how much of the room for previous text is not the hint's, in tokens.
        """
        text, room = text.strip(), _MAX_PROMPT - taken
        return tuple(self.of("en", "transcribe").encode(" " + text)[-room:]) if text and room > 0 else ()

    def said(self, text: str, seconds: float) -> tuple[int, ...]:
        """Tokens of a text that is said in the first `seconds` of a row, and the time of what follows."""
        end = self.first_timestamp + round(seconds / SECONDS_PER_TIMESTAMP)
        return self.first_timestamp, *self.previous(text), end, end

    def start(self, language: str, task: str, previous: Sequence[int]) -> list[int]:
        """The prompt: previous text if there is any, then the tokens of language and task."""
        prompt: list[int] = list(self.of(language, task).sot_sequence)
        return [self._previous, *previous, *prompt] if previous else prompt

    def words_of(self, tokens: Sequence[int]) -> list[int]:
        """`tokens` without timestamps."""
        return [token for token in tokens if token < self.end]

    def split(self, tokens: Sequence[int], language: str) -> list[tuple[str, tuple[int, ...]]]:
        """The words of text tokens, without timestamps, and the tokens of each."""
        texts, groups = self.of(language, "transcribe").split_to_word_tokens([*tokens, self.end])
        return [(text, tuple(group)) for text, group in zip(texts[:-1], groups[:-1], strict=True)]

    def text(self, tokens: Sequence[int]) -> str:
        """The text of `tokens`, timestamps left out."""
        return str(self._tokenizer.decode(self.words_of(tokens)))

    def last_timestamp(self, tokens: Sequence[int]) -> float:
        """Seconds of the last timestamp among `tokens`; 0 if there is none."""
        last = next((token for token in reversed(tokens) if token >= self.first_timestamp), None)
        return 0.0 if last is None else self.seconds(last)

    def bytes_of(self, token: int) -> bytes:
        """What a token of text stands for: UTF-8, maybe only a part of a character."""
        written = self._tokenizer.id_to_token(token) or ""
        return bytes(_BYTES[character] for character in written if character in _BYTES)

    def seconds(self, token: int) -> float:
        """Seconds of a timestamp token, from the start of the row."""
        return (token - self.first_timestamp) * SECONDS_PER_TIMESTAMP
