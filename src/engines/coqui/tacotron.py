"""Tacotron2 at work on many sentences: they join, are decoded together, are watched, leave, become sound."""

import logging
from collections import deque
from dataclasses import dataclass, field

import numpy as np
import torch

from src.core.batching import tell_retried
from src.core.errors import EngineFailed
from src.engines.base import Audio
from src.engines.coqui.attention import Attention, attention_of
from src.engines.coqui.decoder import Decoder
from src.engines.coqui.encoder import encode, refine
from src.engines.coqui.guards import Pace, Trouble, Watch, in_two
from src.engines.coqui.loading import Networks
from src.engines.coqui.sound import finished
from src.engines.coqui.state import Rows
from src.engines.coqui.text import to_ids

log = logging.getLogger(__name__)

MOST_ROWS = 16
"""Rows decoded together. A step of 16 takes half as long again as one of 8; past that, it grows with them."""
_SEED = 0
"""Of every row's dropout, if the model wants it: the same sentence sounds the same each time."""
_DEEPEST = 4
"""How many times a piece may be cut in two."""
_PAUSE = 0.1
"""Seconds between pieces that were spoken one by one."""


@dataclass(slots=True, eq=False)
class _Sentence:
    ticket: int
    text: str
    pieces: list["_Piece"] = field(default_factory=list)
    failed: bool = False
    """It was given up; what is still in work of it is dropped."""


@dataclass(slots=True, eq=False)
class _Piece:
    """A sentence, or what is tried of it after it failed as a whole."""

    sentence: _Sentence
    text: str
    ids: list[int]
    watch: Watch
    depth: int = 0
    frames: list[torch.Tensor] = field(default_factory=list)
    """One a step, (r x mels,)."""
    audio: Audio | None = None


Outcome = tuple[int, Audio | Exception]


class Tacotron:
    """One voice.

    Args:
        networks: a `Tacotron2` that `fits`, and its vocoder.
        compute_type: see `matrix`.
    """

    def __init__(self, networks: Networks, attention: Attention, compute_type: str) -> None:
        self._networks = networks
        self._model = networks.model
        self._decoder = Decoder(self._model.decoder, attention, compute_type)
        audio = self._model.ap
        self._pace = Pace(
            self._decoder.r * audio.hop_length / audio.sample_rate, int(self._model.decoder.max_decoder_steps)
        )
        # all that is needed of it is in ours, laid out anew
        self._model.decoder = None
        self._joining: list[_Piece] = []
        self._decoding: list[_Piece] = []
        self._rows: Rows | None = None
        self._decoded: deque[_Piece] = deque()
        self.sample_rate = networks.sample_rate

    @staticmethod
    def attention_for(networks: Networks) -> Attention | None:
        """The attention with which this class can run a model; None if it is for `WholeSentences`."""
        from TTS.tts.models.tacotron2 import Tacotron2

        model = networks.model
        plain = isinstance(model, Tacotron2) and not (
            model.use_gst or model.use_capacitron_vae or model.num_speakers > 1 or networks.vocoder is None
        )
        return attention_of(model.decoder.attention) if plain else None

    @property
    def room(self) -> int:
        """Rows that may be added now."""
        return MOST_ROWS - len(self._joining) - len(self._decoding) - len(self._decoded)

    def add(self, ticket: int, text: str) -> None:
        sentence = _Sentence(ticket, text)
        sentence.pieces = [self._piece(sentence, text, depth=0)]
        self._joining.extend(sentence.pieces)

    def remove(self, ticket: int) -> None:
        self._joining = [piece for piece in self._joining if piece.sentence.ticket != ticket]
        self._decoded = deque(piece for piece in self._decoded if piece.sentence.ticket != ticket)
        self._keep([at for at, piece in enumerate(self._decoding) if piece.sentence.ticket != ticket])

    def clear(self) -> None:
        self._joining.clear()
        self._decoding.clear()
        self._decoded.clear()
        self._rows = None

    @torch.inference_mode()
    def step(self) -> list[Outcome]:
        """One decoder step of all rows; then the sound of one row that is decoded, if there is any."""
        self._join()
        outcomes = self._decode()
        if self._decoded:
            outcomes += self._sound(self._decoded.popleft())
        return outcomes

    def _piece(self, sentence: _Sentence, text: str, depth: int) -> _Piece:
        ids = to_ids(self._model, text)
        return _Piece(sentence, text, ids, Watch(self._pace, len(ids)), depth)

    def _join(self) -> None:
        joining = [piece for piece in self._joining if not piece.sentence.failed]
        self._joining = []
        if not joining:
            return
        ids = [piece.ids for piece in joining]
        rows = self._decoder.start(encode(self._model, ids), [len(each) for each in ids], _SEED)
        if self._rows is None:
            self._rows = rows
        else:
            self._rows.join(rows)
        self._decoding += joining

    def _keep(self, places: list[int]) -> None:
        if len(places) == len(self._decoding):
            return
        self._decoding = [self._decoding[place] for place in places]
        if not self._decoding:
            self._rows = None
        elif self._rows is not None:
            self._rows.keep(places, max(len(piece.ids) for piece in self._decoding))

    def _decode(self) -> list[Outcome]:
        if self._rows is None:
            return []
        made = self._decoder.step(self._rows)
        outcomes: list[Outcome] = []
        staying = []
        told = zip(self._decoding, made.frames, made.stop.tolist(), made.position.tolist(), strict=True)
        for place, (piece, frames, stop, position) in enumerate(told):
            piece.frames.append(frames)
            # Coqui never stops at the first step, whatever its stop token says
            stopped = stop > self._decoder.stop_threshold and len(piece.frames) > 1
            trouble = piece.watch.stop(position) if stopped else piece.watch.see(position)
            if piece.sentence.failed:
                continue
            if trouble is not None:
                outcomes += self._retry(piece, trouble)
            elif stopped:
                self._decoded.append(piece)
            else:
                staying.append(place)
        self._keep([place for place in staying if not self._decoding[place].sentence.failed])
        return outcomes

    def _retry(self, piece: _Piece, trouble: Trouble) -> list[Outcome]:
        """Speak a piece that went wrong in two; if it cannot be cut, save it or give its sentence up."""
        tell_retried("coqui")
        sentence = piece.sentence
        halves = in_two(piece.text) if piece.depth < _DEEPEST else None
        try:
            pieces = [self._piece(sentence, half, piece.depth + 1) for half in halves or ()]
        except EngineFailed as error:
            return self._give_up(sentence, error)
        if pieces:
            log.warning("%d characters went wrong (%s); speaking them in two", len(piece.text), trouble)
            at = sentence.pieces.index(piece)
            sentence.pieces[at : at + 1] = pieces
            self._joining += pieces
            return []
        if trouble is Trouble.RUNAWAY and piece.watch.end is not None:
            log.warning("%d characters did not end by themselves; cut where their text ends", len(piece.text))
            del piece.frames[piece.watch.end :]
            self._decoded.append(piece)
            return []
        return self._give_up(sentence, EngineFailed(f"the voice cannot speak {piece.text!r}: {trouble}"))

    def _give_up(self, sentence: _Sentence, error: EngineFailed) -> list[Outcome]:
        sentence.failed = True
        return [(sentence.ticket, error)]

    def _sound(self, piece: _Piece) -> list[Outcome]:
        if piece.sentence.failed:
            return []
        mel = torch.stack(piece.frames).view(-1, self._decoder.mels)
        piece.frames = []
        piece.audio = finished(refine(self._model, [mel])[0], self._networks)
        sentence = piece.sentence
        made = [each.audio for each in sentence.pieces]
        if any(audio is None for audio in made):
            return []
        pause = np.zeros(round(_PAUSE * self.sample_rate), np.float32)
        parts = [part for audio in made if audio is not None for part in (audio, pause)]
        return [(sentence.ticket, np.concatenate(parts[:-1]))]
