"""A model that cannot do its first work stops the start. What Coqui's says is in test_coqui_engine.py."""

import asyncio
from collections.abc import Callable
from typing import Any

import onnxruntime
import pytest

from src.config import Settings
from src.core.loader import open_models


@pytest.mark.models
def test_kokoro_that_cannot_speak_its_first_words_stops_the_start(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("an operator is missing after an upgrade")

    monkeypatch.setattr(onnxruntime.InferenceSession, "run", broken)

    async def main() -> None:
        async with open_models(make_settings(), transcribes=False):
            raise AssertionError("it is ready")

    with pytest.raises(RuntimeError, match="operator is missing"):
        asyncio.run(main())
