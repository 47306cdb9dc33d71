"""`CoquiEngine`: Coqui's models behind the text-to-speech protocol."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from src.engines.base import Audio, EngineInfo
from src.engines.batched import BatchedEngine
from src.engines.compute_types import for_coqui
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
        self._compute_type = for_coqui(compute_type, device)
        self._voices = Voices(self._files, device, self._compute_type, threads, self._retried)
        super().__init__(self._voices, "coqui", max_waiting, observers)

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
        return await self._batcher.submit(Row(text, language), request_id)
