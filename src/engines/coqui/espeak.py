"""The espeak-ng library of the package `espeakng-loader`, in copies without shared state."""

import ctypes
import itertools
import shutil
import tempfile
import threading
from pathlib import Path

import espeakng_loader

from src.engines.espeak_library import loading_failed

_SYNCHRONOUS, _DO_NOT_EXIT = 2, 0x8000
"""For `espeak_Initialize`: a call returns when all is done, and an error does not end the process."""
_IPA, _SEPARATOR = 0x02, ord("_") << 8
"""For `espeak_SetPhonemeTrace`, as the program's `--ipa=1` has them."""
_UTF8, _PHONEMES, _END_PAUSE = 0x0001, 0x0100, 0x1000
"""For `espeak_Synth`, as the program has them: `[[...]]` in a text holds names of phonemes."""


class _Voice(ctypes.Structure):
    """`espeak_VOICE` of `speak_lib.h`."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("unused", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


class Espeak:
    """A copy of the library, with at most one voice. It is thread-safe: calls run one after the other.

    The library keeps its state in global variables, and loading the same file twice gives the same library.
    So each object loads a copy of the file, which no other voice and no phonemizer of Kokoro can change.
    ctypes keeps a copy loaded until the process ends.

    Raises:
        RuntimeError: the library or its data cannot be used.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._library = _own_copy(Path(espeakng_loader.get_library_path()))
        self._libc = ctypes.CDLL(None)
        self._declare()
        data = str(espeakng_loader.get_data_path()).encode()
        if self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, _DO_NOT_EXIT) <= 0:
            raise RuntimeError(f"espeak-ng cannot use its data in {data.decode()}")

    def _declare(self) -> None:
        library, libc, pointer = self._library, self._libc, ctypes.c_void_p
        library.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
        library.espeak_Info.argtypes = [pointer]
        library.espeak_Info.restype = ctypes.c_char_p
        library.espeak_ListVoices.argtypes = [pointer]
        library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
        library.espeak_SetVoiceByProperties.argtypes = [pointer]
        library.espeak_SetPhonemeTrace.argtypes = [ctypes.c_int, pointer]
        library.espeak_SetPhonemeTrace.restype = None
        library.espeak_Synth.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            pointer,
            pointer,
        ]
        libc.open_memstream.argtypes = [pointer, pointer]
        libc.open_memstream.restype = pointer
        libc.fclose.argtypes = [pointer]
        libc.free.argtypes = [pointer]
        libc.free.restype = None

    @property
    def version(self) -> str:
        """The version of espeak-ng, for example `1.52.0`."""
        version: bytes = self._library.espeak_Info(None)
        return version.decode().split()[0]

    def voices(self) -> dict[str, str]:
        """The name of the voice of each language code, as `espeak-ng --voices` lists them."""
        found: dict[str, str] = {}
        with self._lock:
            for each in itertools.takewhile(bool, self._library.espeak_ListVoices(None)):
                voice = each.contents
                # the first byte is the priority
                found.setdefault(voice.languages[1:].decode(), voice.name.decode())
        return found

    def choose(self, language: str) -> None:
        """Choose the voice for espeak's code of a language, as the program's `-v` does.

        Raises:
            RuntimeError: there is no such voice.
        """
        code = language.encode()
        wanted = _Voice(languages=code)
        with self._lock:
            if (
                self._library.espeak_SetVoiceByName(code) != 0
                and self._library.espeak_SetVoiceByProperties(ctypes.byref(wanted)) != 0
            ):
                raise RuntimeError(f"espeak-ng has no voice for {language!r}")

    def phonemes(self, text: str) -> str:
        """IPA, one line for each clause, `_` between sounds: the output of `espeak-ng -q -b 1 --ipa=1`.

        Like the program, it reads the trace that the library writes while it speaks. The library's function
        for phonemes alone would treat `[[...]]` in a text as words.

        Raises:
            RuntimeError: the library refuses.
        """
        spoken = text.encode()
        written, size = ctypes.c_void_p(), ctypes.c_size_t()
        with self._lock:
            stream = self._libc.open_memstream(ctypes.byref(written), ctypes.byref(size))
            if not stream:
                raise RuntimeError("there is not enough memory for espeak-ng's phonemes")
            try:
                self._library.espeak_SetPhonemeTrace(_IPA | _SEPARATOR, stream)
                flags = _UTF8 | _PHONEMES | _END_PAUSE
                failed = self._library.espeak_Synth(spoken, len(spoken) + 1, 0, 1, 0, flags, None, None)
            finally:
                self._library.espeak_SetPhonemeTrace(0, None)
                self._libc.fclose(stream)  # fills in `written` and `size`
                phonemes = ctypes.string_at(written, size.value) if written else b""
                self._libc.free(written)
        if failed:
            raise RuntimeError(f"espeak-ng failed with error {failed}")
        return phonemes.decode()


def _own_copy(file: Path) -> ctypes.CDLL:
    with tempfile.TemporaryDirectory(prefix="espeak-") as folder:
        try:
            # the file may be deleted once the library is loaded
            return ctypes.CDLL(shutil.copy(file, folder))
        except OSError as error:
            raise loading_failed(error) from error
