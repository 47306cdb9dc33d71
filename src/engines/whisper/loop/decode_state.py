"""One row in the decoder: what it feeds to each step, and what it makes of the step's logits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from src.engines.kernels import Mask, Rows
from src.engines.whisper import quality_check
from src.engines.whisper.loop.alignment import TextAligner
from src.engines.whisper.loop.attention_recorder import AttentionRecorder, LayerHead
from src.engines.whisper.loop.beginning import with_beginning
from src.engines.whisper.loop.decoder import DecoderInput, KVCache
from src.engines.whisper.loop.draft import MAX_DRAFT, Draft
from src.engines.whisper.loop.likelihood import Likelihoods
from src.engines.whisper.loop.logit_filter import LogitFilter
from src.engines.whisper.loop.search import BeamSearch, GreedySearch, Rival, Sampling, Search
from src.engines.whisper.loops import is_endless
from src.engines.whisper.row import BEST_OF, MAX_TOKENS, Alignment, Decoded, Outcome, WhisperRow
from src.engines.whisper.row_policy import Action, RowPolicy
from src.engines.whisper.vocabulary import SECONDS_PER_TIMESTAMP, Vocabulary

_MAX_JUMP_BACK = 50
"""Encoder positions (1 s) that attention may go back within growing audio."""
_LONGEST_LOOP = 24
"""Tokens of the longest phrase whose repetition is looked for within growing audio."""
_POSITIONS_PER_LETTER = 2
"""Encoder positions (40 ms) that a letter takes at least. A phrase that comes twice in less was said once."""
_CLEARLY_LIKELIER = 1.5
"""Log-probability by which a text must be likelier than one that begins with words that were told already,
or that one is preferred. See `docs/live.md`."""
_LONGER = 1.25
"""How much longer than the text in the first language one in the second is at most, in tokens. A text in the
right language is shorter as a rule."""
_TOKENS_PER_SECOND = 3
"""The same for each second of the row, if that is more: a wrong text may leave most of the speech out."""
_LONG_PROMPT = 32
"""Tokens of a text before the audio from which on it is read by the threads of the encoder."""
_COMPACT_FROM = 96
"""Slots in use from which slots that no hypothesis attends to any more are dropped."""


@dataclass(slots=True, eq=False)
class EncoderOutput:
    """A row's audio, ready to be decoded."""

    kv_cache: KVCache
    window: int
    """Frames that the encoder was given."""


class DecodeState:
    """A row in the decoder, driven by its `RowPolicy`.

    While `is_encoded`: feed `next_input` to the decoder and pass the logits to `consume_logits`, then to
    `consume_logprobs` if that asks for it, until it `is_done`.
    """

    def __init__(
        self,
        row: WhisperRow,
        vocabulary: Vocabulary,
        logit_filter: LogitFilter,
        alignment_heads: Sequence[LayerHead] = (),
    ) -> None:
        self.row = row
        self.policy = RowPolicy(row, vocabulary.multilingual)
        self.encoder_output: EncoderOutput | None = None
        self.cpu_seconds = 0.0
        """CPU time that the row has cost."""
        self.is_counted = False
        """Whether the statistics know that the row is decoded again."""
        self._vocabulary = vocabulary
        self._filter = logit_filter
        self._alignment_heads = alignment_heads
        self._recorder: AttentionRecorder | None = None
        self._aligner: TextAligner | None = None
        self._alignment: Alignment | None = None
        self._likelihoods: Likelihoods | None = None
        """Those of the text, and of one that begins with words that were told already."""
        self._expected = Draft(row.draft, vocabulary.first_timestamp, begun=bool(row.before) or not row.timed)
        self._draft: list[int] = []
        """Tokens that are fed on trial in this step."""
        self._positions_read: list[int] = []
        self._said_twice = 0
        """Tokens at the end of growing audio's text that repeat those before them."""
        self._forced_positions: list[int] = []
        """Positions of the last forced tokens."""
        self._no_speech = 0.0
        self._prompt: list[int] = []
        self._search: Search | None = None
        self._mask: Mask | None = None

    @property
    def is_encoded(self) -> bool:
        """Whether the encoder's output for the policy's window is there."""
        return self.encoder_output is not None and self.encoder_output.window == self.policy.window

    @property
    def is_done(self) -> bool:
        """Whether the `outcome` is there."""
        if self.policy.action is not Action.DONE or self._likelihoods is not None:
            return False
        return self._alignment is not None or not self.policy.wants_alignment

    @property
    def outcome(self) -> Outcome:
        """The row's result, when it `is_done`."""
        return replace(self.policy.outcome(self._alignment), engine_seconds=self.cpu_seconds)

    @property
    def has_written(self) -> bool:
        """Whether the decoder has written a token, or a whole text."""
        return bool(self.policy.attempts) or (self._search is not None and bool(self._search.texts[0]))

    @property
    def kv_cache(self) -> KVCache:
        if self.encoder_output is None:
            raise RuntimeError("the row has not been encoded")
        return self.encoder_output.kv_cache

    @property
    def early_prompt(self) -> Sequence[int]:
        """The tokens that can be read as soon as the audio is encoded: the text before, if it is long."""
        if self.policy.action is not Action.DECODE or len(self.row.prompt) < _LONG_PROMPT:
            return ()
        prompt = self._vocabulary.start(self.policy.language, self.row.task, self.row.prompt)
        return prompt[: prompt.index(self._vocabulary.start_of_transcript)]

    def next_input(self) -> tuple[DecoderInput, Sequence[int]]:
        """The tokens for the next step, and the indexes among them of those whose logits are wanted."""
        if self.policy.action is Action.DETECT:
            start = self._vocabulary.start_of_transcript
            return DecoderInput(self.kv_cache, [start], 0, None), [0]
        if self._likelihoods is not None:
            one = self._likelihoods
            return DecoderInput(self.kv_cache, one.tokens, 0, None), one.wanted
        if self.policy.action is Action.DONE:
            self._aligner = aligner = self._new_aligner()
            return DecoderInput(self.kv_cache, aligner.tokens, 0, None, aligner), aligner.wanted
        if self._search is None:
            self._prompt = self._vocabulary.start(self.policy.language, self.row.task, self.row.prompt)
            self._prompt += self.row.before
            if not self.row.timed:
                self._prompt.append(self._vocabulary.no_timestamps)
            read = self.kv_cache.prompt
            tokens = self._prompt[read:]
            begin = tokens.index(self._vocabulary.start_of_transcript)
            if self.row.forced is not None:
                self._recorder = AttentionRecorder(
                    self._alignment_heads, len(tokens) - 1, self.row.mel.shape[1] // 2
                )
                tokens += self.row.forced
            self._draft = self._first_draft(MAX_TOKENS - read - len(tokens))
            wanted = [begin, *range(len(tokens) - 1, len(tokens) + len(self._draft))]
            return DecoderInput(self.kv_cache, [*tokens, *self._draft], read, None, self._recorder), wanted
        texts = self._search.texts
        position = len(self._prompt) + len(texts[0]) - 1
        tokens = [text[-1] for text in texts]
        if isinstance(self._search, BeamSearch) and self._search.is_narrow:
            self._draft = self._expected.after(texts[0], MAX_TOKENS - position - 1)
        if self._draft:
            tokens += self._draft
            return DecoderInput(self.kv_cache, tokens, position, None), range(len(tokens))
        return DecoderInput(self.kv_cache, tokens, position, self._next_mask(), self._recorder), range(
            len(texts)
        )

    def consume_logits(self, logits: Rows) -> list[Sequence[int]]:
        """Take the wanted logits, shape (wanted, vocabulary).

        Returns:
            the hypotheses that `consume_logprobs` must be called for, whose logits are the last rows; none if
            the next step's input comes first. With a draft, they are one text as it grows.
        """
        if self.policy.action is Action.DETECT:
            self._detect(logits[0])
            return []
        if self._likelihoods is not None:
            self._compare(self._likelihoods, logits)
            return []
        if self._aligner is not None:
            self._alignment, self._aligner = self._aligner.result(logits), None
            return []
        if self._search is None:
            self._no_speech = float(_softmax(logits[0])[self._vocabulary.no_speech])
            self._search = self._new_search()
        texts: list[Sequence[int]] = list(self._search.texts)
        if self._draft:
            [text] = texts
            texts = [[*text, *self._draft[:count]] for count in range(len(self._draft) + 1)]
        before = self.row.before
        return [[*before, *text] for text in texts] if before else texts

    def consume_logprobs(self, logprobs: Rows) -> None:
        """Continue the hypotheses, given the log-probabilities of what may follow each."""
        if self._search is None:
            raise RuntimeError("no text is being decoded")
        draft, self._draft = self._draft, []
        right = 0
        while True:
            parents = self._advance(self._search, logprobs[right : right + 1] if draft else logprobs)
            texts = self._search.texts
            if not parents or right == len(draft) or len(texts) > 1 or texts[0][-1] != draft[right]:
                break
            right += 1
        if right < len(draft):
            self.kv_cache.used -= len(draft) - right
            if self._recorder is not None:
                self._recorder.keep(len(self._search.texts[0]))
        if parents:
            self._inherit(parents)
        else:
            self._report(self._search.result.tokens, self._search.result.logprob)

    def _advance(self, search: Search, logprobs: Rows) -> list[int]:
        """See `Search.advance`. A row with forced tokens also ends where its text begins to repeat itself."""
        parents = search.advance(logprobs)
        if not parents or self._recorder is None:
            return parents
        known = len(search.texts[0])
        if not self._positions_read:
            behind = range(known - 2, max(-1, known - 4), -1)
            self._forced_positions = [self._recorder.position(token, known) for token in behind]
        self._positions_read.append(self._recorder.position(known - 1, known))
        new = search.texts[0][known - len(self._positions_read) :]
        if _repeats([*self._forced_positions, *self._positions_read]):
            return []
        self._said_twice = _repeated(new, self._positions_read, self._vocabulary.text)
        return [] if self._said_twice else parents

    def _first_draft(self, room: int) -> list[int]:
        """What probably follows the prompt."""
        if self.row.forced is not None:
            return list(self.row.draft[: min(MAX_DRAFT, room)])
        narrow = self.policy.opens_late and self.policy.temperature == 0
        return self._expected.after((), room) if narrow else []

    def _detect(self, logits: Rows) -> None:
        vocabulary = self._vocabulary
        shares = _softmax(logits[vocabulary.language_tokens]).tolist() if vocabulary.multilingual else [1.0]
        self.kv_cache.reset()
        self.policy.language_detected(dict(zip(vocabulary.languages, shares, strict=True)))

    def _new_likelihoods(self, text: Decoded) -> Likelihoods | None:
        """To compare the result with one that begins with what was told; None if it does so itself."""
        vocabulary = self._vocabulary
        if not self.row.stable or not text.text.strip() or quality_check.is_silence(text):
            return None
        found = vocabulary.words_of(text.tokens)
        told, written = (
            vocabulary.split(tokens, self.policy.language)
            for tokens in (self.row.draft[: self.row.stable], found)
        )
        if (other := with_beginning(told, written)) is None:
            return None
        prompt = [
            *vocabulary.start(self.policy.language, self.row.task, self.row.prompt),
            vocabulary.no_timestamps,
            *vocabulary.words_of(self.row.before),
        ]
        if len(prompt) + max(len(found), len(other)) > MAX_TOKENS:
            return None
        return Likelihoods(prompt, (found, other), vocabulary.end)

    def _compare(self, likelihoods: Likelihoods, logits: Rows) -> None:
        """Take the likelihood of a text; when both are there, choose what was told unless it is far lower."""
        likelihoods.take(logits)
        self.kv_cache.reset()
        if not likelihoods.are_known:
            return
        self._likelihoods = None
        found, told = likelihoods.found
        if told >= found - _CLEARLY_LIKELIER:
            tokens = likelihoods.texts[1]
            text, mean = self._vocabulary.text(tokens), told / (len(tokens) + 1)
            self.policy.prefer(tokens=tokens, text=text, avg_logprob=mean)

    def _new_aligner(self) -> TextAligner:
        vocabulary = self._vocabulary
        return TextAligner(
            self._alignment_heads,
            vocabulary.start(self.policy.language, self.row.task, ()),
            vocabulary.no_timestamps,
            vocabulary.words_of(self.policy.decoded.tokens if self.policy.decoded else ()),
            vocabulary.end,
            self.row.mel.shape[1] // 2,
            probabilities=self.row.words or self.row.logprobs,
        )

    def _new_search(self) -> Search:
        longest = min(self.row.most_tokens, MAX_TOKENS - len(self._prompt) + 1)
        temperature = self.policy.temperature
        if self.row.forced is not None:
            return GreedySearch(self.row.forced, longest, self._vocabulary.end)
        # no method of this object: a cycle would keep the caches of a row that is given up, hundreds of MB
        endless = partial(
            is_endless, duration=self.row.duration, first_timestamp=self._vocabulary.first_timestamp
        )
        if temperature == 0:
            return BeamSearch(
                self._filter,
                self.policy.beam,
                longest,
                self._vocabulary.end,
                endless,
                opens_late=self.policy.opens_late,
                rival=self._rival(),
            )
        return Sampling(temperature, BEST_OF, longest, self._vocabulary.end, endless)

    def _rival(self) -> Rival | None:
        """What a text in a second language must be likelier than."""
        if (rival := self.policy.rival) is None:
            return None
        least, first = rival
        return Rival(least, int(max(_LONGER * len(first.tokens), _TOKENS_PER_SECOND * self.row.duration)))

    def _inherit(self, parents: Sequence[int]) -> None:
        """Each hypothesis attends to what its parent attended to."""
        if self._mask is None or self._mask.shape[1] < self.kv_cache.used:
            # what is in the cache without a slot in the mask is the prompt, or a text that was the only one
            self._mask = np.ones((len(parents), self.kv_cache.used), np.bool_)
            return
        self._mask = self._mask[list(parents)]
        if self.kv_cache.used >= _COMPACT_FROM:
            seen = np.flatnonzero(self._mask.any(0))
            if 2 * len(seen) < self.kv_cache.used:
                self.kv_cache.compact(seen)
                self._mask = np.ascontiguousarray(self._mask[:, seen])

    def _next_mask(self) -> Mask:
        """The mask with a slot for each hypothesis's new token, which it alone attends to."""
        if self._mask is None:
            raise RuntimeError("no text is being decoded")
        self._mask = np.concatenate([self._mask, np.eye(len(self._mask), dtype=np.bool_)], 1)
        return self._mask

    def _report(self, tokens: list[int], logprob: float) -> None:
        vocabulary = self._vocabulary
        logprobs: tuple[float, ...] = ()
        if isinstance(self._search, GreedySearch):
            kept = len(tokens) - self._said_twice
            tokens, logprobs = tokens[len(self.row.forced or ()) : kept], tuple(self._search.logprobs)
            logprobs, self._positions_read = logprobs[: len(tokens)], self._positions_read[: len(tokens)]
        if self.row.before:
            first, by = vocabulary.first_timestamp, round(self.row.before_seconds / SECONDS_PER_TIMESTAMP)
            tokens = [max(first, token - by) if token >= first else token for token in tokens]
        decoded = Decoded(
            tokens=tuple(tokens),
            text=vocabulary.text(tokens),
            last_timestamp=vocabulary.last_timestamp(tokens),
            # faster-whisper counts the end mark as one more token
            avg_logprob=logprob / (len(tokens) + 1),
            no_speech_prob=self._no_speech,
            temperature=self.policy.temperature,
            positions=tuple(self._positions_read),
            logprobs=logprobs,
            greedy=isinstance(self._search, BeamSearch) and self._search.is_narrow,
            ends_in_loop=self._said_twice > 0,
        )
        self._search, self._mask, self._recorder = None, None, None
        self.policy.text_decoded(decoded)
        # what follows a text is fed with the prompt that it is to have
        self.kv_cache.reset(prompt=self.policy.action is Action.DECODE)
        if self.policy.action is Action.DONE and self.policy.decoded is not None:
            self._likelihoods = self._new_likelihoods(self.policy.decoded)


def _repeats(positions: Sequence[int]) -> bool:
    """Whether the decoder has gone back to audio that it has read: it begins to repeat itself.

    The position of a single token proves nothing: the first word of a sentence often attends to the last
    moments of the audio.
    """
    return len(positions) > 2 and positions[-1] < sorted(positions[:-1])[-2] - _MAX_JUMP_BACK


def _repeated(tokens: Sequence[int], positions: Sequence[int], text: Callable[[Sequence[int]], str]) -> int:
    """How many of the last tokens are those before them once more, sooner than anyone says them; 0 if none.

    Args:
        tokens: written so far.
        positions: where the decoder looked when it wrote each.
        text: gives the text of tokens.
    """
    for size in range(1, min(_LONGEST_LOOP, len(tokens) // 2) + 1):
        phrase = tokens[-size:]
        if phrase == tokens[-2 * size : -size]:
            words = text(phrase)
            if not words.startswith(" "):  # it may be a syllable, or a mark
                continue
            letters = sum(map(str.isalnum, words))
            if letters and positions[-1] - positions[-1 - size] < _POSITIONS_PER_LETTER * letters:
                return size
    return 0


def _softmax(logits: Rows) -> Tensor:
    return torch.from_numpy(logits).softmax(0)
