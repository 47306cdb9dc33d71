"""`CoquiEngine`: Coqui's models behind the text-to-speech protocol."""

from collections.abc import Hashable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from src.core.batching import Batcher
from src.engines.base import Audio, EngineInfo, Load
from src.engines.compute_types import for_coqui
from src.engines.coqui.stepper import Row, Voices

if TYPE_CHECKING:
    from src.core.model_store import CoquiFiles


class CoquiEngine:
    """Speaks with one Coqui model a language.

    Args:
        models: by language (ISO 639-1), the files of its model and vocoder.
        device: `cpu` or `cuda`.
        compute_type: of the decoder's multiplications. `auto` is `bfloat16` on a CPU that multiplies it,
            `float16` on others (weights alone are rounded), and `float32` on a GPU: see
            docs/internals/coqui.md for the evidence.
        threads: CPU threads of one model call.
        max_waiting: rows that may wait.
    """

    def __init__(
        self,
        models: "Mapping[str, CoquiFiles]",
        device: str = "cpu",
        compute_type: str = "auto",
        threads: int = 1,
        max_waiting: int = 1024,
    ) -> None:
        self._files = dict(models)
        self._device = device
        self._compute_type = for_coqui(compute_type, device)
        self._voices = Voices(self._files, device, self._compute_type, threads)
        self._batcher = Batcher(self._voices, "coqui", max_waiting)

    @property
    def info(self) -> EngineInfo:
        names = ", ".join(dict.fromkeys(files.name for files in self._files.values()))
        return EngineInfo("coqui", names, self._device, self._compute_type, tuple(self._files))

    @property
    def load(self) -> Load:
        return Load(self._batcher.waiting, self._batcher.active, self._batcher.stalled_for)

    async def __aenter__(self) -> Self:
        await self._batcher.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._batcher.__aexit__(kind, error, trace)

    def sample_rate(self, language: str) -> int:
        """Hz of what `synthesize` makes; known once the engine is open."""
        return self._voices.sample_rate(language)

    def model(self, language: str) -> str:
        """Name of the Coqui model that speaks `language`."""
        return self._files[language].name

    async def synthesize(self, text: str, language: str, lane: Hashable) -> Audio:
        """Speak one row; see `TextToSpeech`. Cancelling stops it before its next decoder step."""
        return await self._batcher.submit(Row(text, language), lane)
