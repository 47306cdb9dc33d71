"""Tacotron2 at work on many sentences: they join, are decoded together, are watched, leave, become sound."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from src.engines.base import Audio
from src.engines.coqui.attention import Attention, attention_of
from src.engines.coqui.crew import Crew
from src.engines.coqui.decoder import Decoder
from src.engines.coqui.encoder import encode
from src.engines.coqui.guards import Pace, Trouble, Watch, in_two
from src.engines.coqui.loading import Networks
from src.engines.coqui.parts import Sound, Studio
from src.engines.coqui.state import Rows
from src.engines.coqui.text import to_ids
from src.errors import EngineFailed

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
    job_id: int
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
    sound: Sound
    depth: int = 0
    audio: Audio | None = None


Outcome = tuple[int, Audio | Exception]


class Tacotron:
    """One voice.

    Args:
        networks: a `Tacotron2` that `fits`, and its vocoder.
        compute_type: see `matrix`.
        crew: makes the sound.
        on_retry: is called when a piece went wrong and is spoken in two.
    """

    def __init__(
        self,
        networks: Networks,
        attention: Attention,
        compute_type: str,
        crew: Crew,
        on_retry: Callable[[], None],
    ) -> None:
        self._on_retry = on_retry
        self._networks = networks
        self._model = networks.model
        self._decoder = Decoder(self._model.decoder, attention, compute_type)
        audio = self._model.ap
        self._pace = Pace(
            self._decoder.r * audio.hop_length / audio.sample_rate, int(self._model.decoder.max_decoder_steps)
        )
        self._studio = Studio(networks, self._decoder.r, self._decoder.mels, crew)
        # all that is needed of it is in ours, laid out anew
        self._model.decoder = None
        self._joining: list[_Piece] = []
        self._decoding: list[_Piece] = []
        self._rows: Rows | None = None
        self._sounding: list[_Piece] = []
        """Decoded, and not all sound yet."""
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
        return MOST_ROWS - len(self._joining) - len(self._decoding) - len(self._sounding)

    @property
    def decoding(self) -> bool:
        """Its next step has something to do."""
        return bool(self._joining or self._decoding)

    def add(self, job_id: int, text: str) -> None:
        sentence = _Sentence(job_id, text)
        sentence.pieces = [self._piece(sentence, text, depth=0)]
        self._joining.extend(sentence.pieces)

    def remove(self, job_id: int) -> None:
        self._joining = [piece for piece in self._joining if piece.sentence.job_id != job_id]
        for piece in (*self._decoding, *self._sounding):
            if piece.sentence.job_id == job_id:
                piece.sound.drop()
        self._sounding = [piece for piece in self._sounding if piece.sentence.job_id != job_id]
        self._keep([at for at, piece in enumerate(self._decoding) if piece.sentence.job_id != job_id])

    def clear(self) -> None:
        for piece in (*self._decoding, *self._sounding):
            piece.sound.drop()
        self._joining.clear()
        self._decoding.clear()
        self._sounding.clear()
        self._rows = None

    @torch.inference_mode()
    def step(self) -> list[Outcome]:
        """One decoder step of all rows; what came of those whose sound is complete by now."""
        self._join()
        return self._decode() + self._collect()

    def _piece(self, sentence: _Sentence, text: str, depth: int) -> _Piece:
        ids = to_ids(self._model, text)
        return _Piece(sentence, text, ids, Watch(self._pace, len(ids)), Sound(self._studio), depth)

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
        told = list(zip(self._decoding, made.frames, made.stop.tolist(), made.position.tolist(), strict=True))
        for place, (piece, frames, stop, position) in enumerate(told):
            piece.sound.add(frames, alone=len(told) == 1)
            # Coqui never stops at the first step, whatever its stop token says
            stopped = stop > self._decoder.stop_threshold and len(piece.sound) > 1
            trouble = piece.watch.stop(position) if stopped else piece.watch.see(position)
            if piece.sentence.failed:
                piece.sound.drop()
            elif trouble is not None:
                outcomes += self._retry(piece, trouble)
            elif stopped:
                piece.sound.end()
                self._sounding.append(piece)
            else:
                staying.append(place)
        self._keep([place for place in staying if not self._decoding[place].sentence.failed])
        return outcomes

    def _retry(self, piece: _Piece, trouble: Trouble) -> list[Outcome]:
        """Speak a piece that went wrong in two; if it cannot be cut, save it or give its sentence up."""
        self._on_retry()
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
            piece.sound.drop()
            self._joining += pieces
            return []
        if trouble is Trouble.RUNAWAY and piece.watch.end is not None:
            log.warning("%d characters did not end by themselves; cut where their text ends", len(piece.text))
            piece.sound.end(piece.watch.end)
            self._sounding.append(piece)
            return []
        failure = EngineFailed(f"the voice cannot speak {len(piece.text)} characters: {trouble}")
        return self._give_up(sentence, failure)

    def _give_up(self, sentence: _Sentence, error: Exception) -> list[Outcome]:
        sentence.failed = True
        for piece in sentence.pieces:
            piece.sound.drop()
        return [(sentence.job_id, error)]

    def _collect(self) -> list[Outcome]:
        """Sentences whose sound is complete."""
        outcomes: list[Outcome] = []
        waiting = []
        for piece in self._sounding:
            if piece.sentence.failed:
                continue
            try:
                piece.audio = piece.sound.take()
            except Exception as error:
                outcomes += self._give_up(piece.sentence, error)
                continue
            if piece.audio is None:
                waiting.append(piece)
            else:
                outcomes += self._joined(piece.sentence)
        self._sounding = waiting
        return outcomes

    def _joined(self, sentence: _Sentence) -> list[Outcome]:
        made = [piece.audio for piece in sentence.pieces]
        if any(audio is None for audio in made):
            return []
        pause = np.zeros(round(_PAUSE * self.sample_rate), np.float32)
        parts = [part for audio in made if audio is not None for part in (audio, pause)]
        return [(sentence.job_id, np.concatenate(parts[:-1]))]
