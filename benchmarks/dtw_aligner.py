"""Alignment without an acoustic model, as in aeneas.

espeak-ng speaks the same text and reports when each word begins. Dynamic time warping (DTW) between the MFCCs
of both recordings maps these times to the other recording.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import librosa
import numpy as np
from espeakng_loader import get_data_path, get_library_path

from src.engines.base import Audio

_SAMPLE_RATE = 16_000
_HOP = 160
_VOICES = {"en": "en-us", "es": "es"}
_RATE = 150
"""Words per minute of the first attempt. The second makes both recordings equally long."""

# of espeak-ng's speak_lib.h
_RETRIEVAL, _PHONEME_EVENTS, _UTF8, _RATE_PARAMETER = 1, 1, 1, 1
_WORD, _PHONEME = 1, 7


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True, slots=True)
class _Spoken:
    audio: Audio
    begins: dict[int, float]
    """Seconds at which the word at a place of the text begins, counted from 1."""
    pauses: list[float]
    """Seconds at which pauses begin."""


class DtwAligner:
    """Finds the words of a known text in audio. One instance per process: espeak is initialised once."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(get_library_path())
        self._rate = self._library.espeak_Initialize(
            _RETRIEVAL, 0, str(get_data_path()).encode(), _PHONEME_EVENTS
        )
        self._audio: list[Audio] = []
        self._events: list[tuple[int, int, float, str]] = []
        self._callback = _Callback(self._take)  # espeak keeps only its address
        self._library.espeak_SetSynthCallback(self._callback)

    def align(
        self, audio: Audio, sample_rate: int, words: Sequence[str], language: str
    ) -> tuple[list[float | None], list[float | None]]:
        """Starts and ends of the words, in seconds.

        None where espeak joins words (`of the`) and reports the time of the first one only.
        """
        self._library.espeak_SetVoiceByName(_VOICES[language].encode())
        text = " ".join(words)
        seconds, rate = len(audio) / sample_rate, float(_RATE)
        for _ in range(2):
            spoken = self._say(text, round(rate))
            rate = min(max(rate * len(spoken.audio) / self._rate / seconds, 80), 400)
        spoken = self._say(text, round(rate))
        starts, ends = _times(spoken, words, len(spoken.audio) / self._rate)
        theirs, ours = _cepstra(spoken.audio, self._rate), _cepstra(audio, sample_rate)
        _, path = librosa.sequence.dtw(theirs, ours, metric="euclidean")
        there, here = (path[::-1] * _HOP / _SAMPLE_RATE).T
        places = np.unique(there)
        means = [here[there == place].mean() for place in places]

        def warped(times: Sequence[float | None]) -> list[float | None]:
            return [None if time is None else float(np.interp(time, places, means)) for time in times]

        return warped(starts), warped(ends)

    def _say(self, text: str, rate: int) -> _Spoken:
        self._audio.clear()
        self._events.clear()
        encoded = text.encode()
        self._library.espeak_SetParameter(_RATE_PARAMETER, rate, 0)
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        words = {place for kind, place, _, _ in self._events if kind == _WORD}
        sounds = [event for event in self._events if event[0] == _PHONEME and not event[3].startswith("_")]
        begins: dict[int, float] = {}
        for _, place, time, _ in sounds:
            if place in words:  # its own event may come before the last sound of the word before
                begins.setdefault(place, time)
        pauses = [time for kind, _, time, name in self._events if kind == _PHONEME and name.startswith("_")]
        return _Spoken(np.concatenate(self._audio), begins, pauses)

    def _take(
        self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, events: "ctypes._Pointer[_Event]"
    ) -> int:
        if samples and count:
            self._audio.append(
                np.ctypeslib.as_array(samples, (count,)).astype(np.float32) / np.float32(32768)
            )
        number = 0
        while (event := events[number]).type:
            time = event.sample / self._rate
            self._events.append((event.type, event.text_position, time, event.name.decode("latin-1")))
            number += 1
        return 0


def _times(
    spoken: _Spoken, words: Sequence[str], length: float
) -> tuple[list[float | None], list[float | None]]:
    """Starts and ends of words in espeak's own audio."""
    starts: list[float | None] = []
    at = 1
    for word in words:
        # an opening mark is before the place that espeak tells
        places = (spoken.begins.get(place) for place in range(at, at + len(word)))
        starts.append(next((time for time in places if time is not None), None))
        at += len(word) + 1
    ends: list[float | None] = []
    for start, after in zip(starts, [*starts[1:], length], strict=True):
        pauses = [
            time
            for time in spoken.pauses
            if start is not None and after is not None and start < time <= after
        ]
        ends.append(min(pauses, default=after))
    return starts, ends


def _cepstra(audio: Audio, sample_rate: int) -> Audio:
    sound = librosa.resample(audio, orig_sr=sample_rate, target_sr=_SAMPLE_RATE)
    static = librosa.feature.mfcc(y=sound, sr=_SAMPLE_RATE, n_mfcc=13, n_fft=400, hop_length=_HOP, n_mels=40)
    both = np.concatenate([static, 2 * librosa.feature.delta(static, width=5)])
    return np.asarray((both - both.mean(1, keepdims=True)) / (both.std(1, keepdims=True) + 1e-6), np.float32)
