"""`CoquiEngine`: Coqui's models behind the text-to-speech protocol."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

<<<<<<< HEAD
from src.core.batching import Batcher
from src.engines.base import Audio, EngineInfo, Load
from src.engines.compute_types import for_coqui
=======
import torch

from src.engines.base import Audio, EngineInfo
from src.engines.batched import BatchedEngine
>>>>>>> 79f768e (Let nothing end a batcher's thread unseen, and make the batcher a piece of its own)
from src.engines.coqui.stepper import Row, Voices
from src.scheduling.observer import BatchObserver

if TYPE_CHECKING:
    from src.core.model_store import CoquiFiles


class CoquiEngine(BatchedEngine[Row, Audio]):
    """Speaks with one Coqui model a language.

    Args:
        models: by language (ISO 639-1), the files of its model and vocoder.
        device: `cpu` or `cuda`.
        compute_type: of the decoder's multiplications. `auto` is `bfloat16` on a CPU that multiplies it,
            `float16` on others (weights alone are rounded), and `float32` on a GPU: see
            docs/internals/coqui.md for the evidence.
        threads: CPU threads of one model call.
        max_waiting: rows that may wait.
        observers: of the batcher.
    """

    def __init__(
        self,
        models: "Mapping[str, CoquiFiles]",
        device: str = "cpu",
        compute_type: str = "auto",
        threads: int = 1,
        max_waiting: int = 1024,
        observers: Iterable[BatchObserver] = (),
    ) -> None:
        self._files = dict(models)
        self._device = device
<<<<<<< HEAD
        self._compute_type = for_coqui(compute_type, device)
        self._voices = Voices(self._files, device, self._compute_type, threads)
        self._batcher = Batcher(self._voices, "coqui", max_waiting)
=======
        self._compute_type = _compute_type(compute_type, device)
        self._voices = Voices(self._files, device, self._compute_type, threads, self._retried)
        super().__init__(self._voices, "coqui", max_waiting, observers)
>>>>>>> 79f768e (Let nothing end a batcher's thread unseen, and make the batcher a piece of its own)

    @property
    def info(self) -> EngineInfo:
        names = ", ".join(dict.fromkeys(files.name for files in self._files.values()))
        return EngineInfo("coqui", names, self._device, self._compute_type, tuple(self._files))

    def sample_rate(self, language: str) -> int:
        """Hz of what `synthesize` makes; known once the engine is open."""
        return self._voices.sample_rate(language)

    def model(self, language: str) -> str:
        """Name of the Coqui model that speaks `language`."""
        return self._files[language].name

    async def synthesize(self, text: str, language: str, request_id: str) -> Audio:
        """Speak one row; see `TextToSpeech`. Cancelling stops it before its next decoder step."""
<<<<<<< HEAD
        return await self._batcher.submit(Row(text, language), lane)
=======
        return await self._batcher.submit(Row(text, language), request_id)


def _compute_type(wanted: str, device: str) -> str:
    if device == "cpu":
        # without instructions for it, bfloat16 is slower than anything else
        fastest = "bfloat16" if torch.cpu._is_avx512_bf16_supported() else "float16"
        return fastest if wanted == "auto" else wanted
    # PyTorch multiplies int8 on a CPU only; the setting is Whisper's, too
    return {"auto": "float32", "int8": "float16"}.get(wanted, wanted)
>>>>>>> 79f768e (Let nothing end a batcher's thread unseen, and make the batcher a piece of its own)
