"""CTranslate2's Whisper for batches of rows. Safe to use from as many threads as it has workers."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np

from src.engines.whisper.features import stack
from src.engines.whisper.row import (
    BEAM,
    BEST_OF,
    FULL_WINDOW,
    MAX_INITIAL_TIMESTAMP,
    MAX_TOKENS,
    Alignment,
    Decoded,
    Mel,
)
from src.engines.whisper.vocabulary import Vocabulary

_SEED = 20

Encoded = Any
"""`ctranslate2.StorageView` of shape (rows, window / 2, width)."""


class CTranslate2Model:
    """The weights in memory, and what CTranslate2 does with a batch: encode, detect, decode, align.

    Args:
        folder: a CTranslate2 model.
        device: `cpu` or `cuda`.
        compute_type: of CTranslate2.
        threads: CPU threads of one call.
        workers: calls at a time.
    """

    def __init__(self, folder: Path, device: str, compute_type: str, threads: int, workers: int) -> None:
        # a fixed seed: a process that gets the same rows in the same order samples the same texts
        ctranslate2.set_random_seed(_SEED)
        self._model = ctranslate2.models.Whisper(
            str(folder),
            device=device,
            compute_type=compute_type,
            intra_threads=threads,
            inter_threads=workers,
        )
        self._device = device

    @property
    def multilingual(self) -> bool:
        return bool(self._model.is_multilingual)

    @property
    def mels(self) -> int:
        return int(self._model.n_mels)

    @property
    def compute_type(self) -> str:
        return str(self._model.compute_type)

    def encode(self, mels: Sequence[Mel], window: int) -> Encoded:
        """Encode rows, each padded to `window` frames."""
        if self._device != "cpu" or len(mels) == 1:
            return self._model.encode(ctranslate2.StorageView.from_array(stack(mels, window)))
        # row by row is as fast on a CPU, and attention over eight rows of 30 s would need 600 MB
        rows = [np.asarray(self.encode([mel], window)) for mel in mels]
        return ctranslate2.StorageView.from_array(np.concatenate(rows))

    def select(self, encoded: Encoded, rows: Sequence[int]) -> Encoded:
        """Some rows of an encoded batch, by their indexes."""
        if list(rows) == list(range(encoded.shape[0])):
            return encoded
        host = encoded.to(ctranslate2.DataType.float32).to_device(ctranslate2.Device.cpu)
        some = ctranslate2.StorageView.from_array(np.ascontiguousarray(np.asarray(host)[list(rows)]))
        return some.to(encoded.dtype).to_device(getattr(ctranslate2.Device, encoded.device))

    def languages(self, encoded: Encoded) -> list[dict[str, float]]:
        """Probability of every language, for each row."""
        found = self._model.detect_language(encoded)
        return [{token[2:-2]: float(probability) for token, probability in row} for row in found]

    def generate(
        self,
        encoded: Encoded,
        prompts: list[list[int]],
        most_tokens: int,
        temperature: float,
        vocabulary: Vocabulary,
        beam: int = BEAM,
        *,
        timed: bool = True,
    ) -> list[Decoded]:
        """Decode the text of each row, with `beam` hypotheses at temperature 0; with timestamps if `timed`.

        All prompts must have as many tokens of previous text.
        """
        if not timed:
            prompts = [[*prompt, vocabulary.no_timestamps] for prompt in prompts]
        # CTranslate2 gives half of `max_length` to the text, or what the prompt leaves if that is less
        max_length = min(MAX_TOKENS, max(2 * most_tokens, most_tokens + max(map(len, prompts)) - 1))
        how = (
            {"beam_size": beam, "patience": 1.0}
            if temperature == 0
            else {
                "beam_size": 1,
                "num_hypotheses": BEST_OF,
                "sampling_topk": 0,
                "sampling_temperature": temperature,
            }
        )
        results = self._model.generate(
            encoded,
            prompts,
            max_length=max_length,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=timed,  # then the first token is a timestamp; without, an empty text is possible
            suppress_tokens=vocabulary.suppressed,
            max_initial_timestamp_index=MAX_INITIAL_TIMESTAMP,
            **how,
        )
        return [_decoded(result, temperature, vocabulary) for result in results]

    def follow(
        self,
        encoded: Encoded,
        prompts: list[list[int]],
        forced: list[list[int]],
        frames: list[int],
        most_tokens: int,
        vocabulary: Vocabulary,
    ) -> list[Decoded]:
        """Write on after some forced tokens, greedily and without timestamps, and find where tokens are said.

        Args:
            encoded: the rows.
            prompts: of each row, of equal lengths.
            forced: tokens of text of each row, of equal lengths.
            frames: of audio in each row.
            most_tokens: at which the text ends.
            vocabulary: of the model.
        """
        begun = [
            [*prompt, vocabulary.no_timestamps, *text] for prompt, text in zip(prompts, forced, strict=True)
        ]
        results = self._model.generate(
            encoded,
            begun,
            max_length=min(MAX_TOKENS, len(begun[0]) + most_tokens),
            return_scores=True,
            suppress_blank=False,
            suppress_tokens=vocabulary.suppressed,
            beam_size=1,
        )
        found = [_decoded(result, 0.0, vocabulary, no_speech=False) for result in results]
        placed = []
        for index, (decoded, prompt, text) in enumerate(zip(found, prompts, forced, strict=True)):
            # CTranslate2 counts what follows the task in the prompt as a part of the text
            whole = vocabulary.words_of(decoded.tokens)
            tokens = whole[len(text) :]
            if not tokens:
                placed.append(replace(decoded, tokens=()))
                continue
            row = self.select(encoded, [index])
            start = prompt[prompt.index(vocabulary.start_of_transcript) :]
            [alignment] = self.align(row, start, [whole], [frames[index]])
            first: dict[int, int] = {}
            for token, position in alignment.pairs:
                first.setdefault(token, position)
            last = alignment.pairs[-1][1] if alignment.pairs else 0
            placed.append(
                replace(
                    decoded,
                    tokens=tuple(tokens),
                    positions=tuple(first.get(len(text) + at, last) for at in range(len(tokens))),
                    logprobs=tuple(math.log(max(one, 1e-9)) for one in alignment.probabilities[len(text) :]),
                )
            )
        return placed

    def align(
        self, encoded: Encoded, start: list[int], texts: list[list[int]], frames: list[int]
    ) -> list[Alignment]:
        """Find when each text token is said, by dynamic time warping over cross-attention.

        All rows must have one language and task: those of the prompt `start`.
        """
        found = self._model.align(encoded, start, texts, frames, median_filter_width=7)
        return [
            Alignment(
                tuple((int(token), int(position)) for token, position in result.alignments),
                tuple(float(probability) for probability in result.text_token_probs),
            )
            for result in found
        ]

    def warm(self, vocabulary: Vocabulary) -> None:
        """Run once, so that the first request does not wait for the library's set-up. Any error is raised."""
        for window in (400, FULL_WINDOW):
            encoded = self.encode([np.zeros((self.mels, window), np.float32)], window)
            if self.multilingual:
                self.languages(encoded)
            start = vocabulary.start("en", "transcribe", ())
            self.generate(encoded, [start], MAX_TOKENS // 2, 0.0, vocabulary)


def _decoded(result: Any, temperature: float, vocabulary: Vocabulary, *, no_speech: bool = True) -> Decoded:
    tokens = tuple(int(token) for token in result.sequences_ids[0])
    # the score is a mean over the tokens; faster-whisper counts the end mark as one more
    logprob = float(result.scores[0]) * len(tokens) / (len(tokens) + 1)
    return Decoded(
        tokens=tokens,
        text=vocabulary.text(tokens),
        last_timestamp=vocabulary.last_timestamp(tokens),
        avg_logprob=logprob,
        no_speech_prob=float(result.no_speech_prob) if no_speech else 0.0,
        temperature=temperature,
    )
