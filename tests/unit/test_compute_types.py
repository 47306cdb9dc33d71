"""COMPUTE_TYPE: what a device cannot do is refused in words, and `auto` is what it can."""

import ctranslate2
import pytest
import torch

from src.engines import cpu
from src.engines.compute_types import for_coqui, for_whisper
from src.engines.coqui.linear import linear_layer
from src.errors import ConfigurationError

pytestmark = pytest.mark.instructions

KINDS = ("int8", "bfloat16", "float16", "float32")


@pytest.mark.parametrize("kind", KINDS)
def test_whisper_refuses_what_ctranslate2_would_raise_for(kind: str) -> None:
    able = ctranslate2.get_supported_compute_types("cpu")
    if kind in able:
        assert for_whisper(kind, "cpu") == kind
        return
    with pytest.raises(ConfigurationError, match=f"^{kind} is not what Whisper can do on this CPU") as caught:
        for_whisper(kind, "cpu")
    assert "STT_COMPUTE_TYPE" in str(caught.value)
    assert str(caught.value).endswith("one of: int8, float32")


@pytest.mark.parametrize("kind", KINDS)
def test_what_coqui_is_given_multiplies_and_what_it_is_refused_would_not(kind: str) -> None:
    weight = torch.randn(1024, 512)
    try:
        chosen = for_coqui(kind, "cpu")
    except ConfigurationError as error:
        assert "TTS_COMPUTE_TYPE" in str(error)
        with pytest.raises(RuntimeError):
            linear_layer(weight, None, kind)(torch.randn(5, 512))
    else:
        assert chosen == kind
        assert linear_layer(weight, None, kind)(torch.randn(5, 512)).isfinite().all()


def test_auto_is_the_quickest_that_the_cpu_has_an_instruction_for() -> None:
    assert for_whisper("auto", "cpu") == "int8"
    fastest = "bfloat16" if cpu.multiplies_bfloat16("oneDNN") else "float16"
    if "fbgemm" in torch.backends.quantized.supported_engines:
        assert for_coqui("auto", "cpu") == fastest


def test_a_gpu_without_half_precision_is_given_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    old = {"float32", "int8", "int8_float32"}
    monkeypatch.setattr(ctranslate2, "get_supported_compute_types", lambda _: old)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert for_whisper("auto", "cuda") == "int8_float32"
    with pytest.raises(ConfigurationError, match=r"float16 is not what Whisper can do on this GPU"):
        for_whisper("float16", "cuda")
    assert for_coqui("auto", "cuda") == "float32"
    for kind in ("int8", "bfloat16"):
        with pytest.raises(ConfigurationError, match=r"float16, float32$"):
            for_coqui(kind, "cuda")
