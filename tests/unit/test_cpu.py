"""What the engines believe about the CPU, held against what the libraries do."""

import os
import subprocess
import sys

import pytest
import torch

from src.engines import cpu
from src.engines.cpu import Level


def _full_bytes(library: str) -> torch.Tensor:
    """64 products of the largest bytes there are, added up: 64, if none of the sums overflowed."""
    ones, scale = torch.ones(64, 64), 1 / 127
    small = torch.quantize_per_channel(
        ones, torch.full((64,), scale, dtype=torch.double), torch.zeros(64, dtype=torch.long), 0, torch.qint8
    )
    made: torch.Tensor
    if library == "FBGEMM":
        packed = torch.ops.quantized.linear_prepack(small, None)
        made = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(ones, scale, 128, packed)
        return made
    weight = torch.ops.onednn.qlinear_prepack(small.int_repr(), None)
    rows = torch.full((64, 64), 255, dtype=torch.uint8)
    scales = torch.full((64,), scale * scale)
    none = torch.zeros(64, dtype=torch.long)
    made = torch.ops.onednn.qlinear_pointwise(
        rows, 1.0, 128, weight, scales, none, None, 1.0, 0, torch.float32, "none", [], ""
    )
    return made


@pytest.mark.instructions
@pytest.mark.parametrize("library", ["FBGEMM", "oneDNN"])
def test_bytes_overflow_where_it_is_said_that_they_do(library: str) -> None:
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        pytest.skip("the loop of bytes needs FBGEMM, which this PyTorch is without")
    whole = torch.allclose(_full_bytes(library), torch.full((64, 64), 64.0), rtol=1e-2)
    assert whole or cpu.in_use(library) < Level.AVX512_VNNI
    assert whole or not cpu.multiplies_bytes()


@pytest.mark.instructions
def test_pytorch_uses_what_is_said() -> None:
    expected = {Level.BASELINE: "DEFAULT", Level.AVX2: "AVX2"}.get(cpu.in_use("ATen"), "AVX512")
    if cpu.available() is not Level.BASELINE:
        assert torch.backends.cpu.get_cpu_capability() == expected
    if cpu.in_use("oneDNN") >= Level.AVX512:
        assert torch.ops.mkldnn._is_mkldnn_bf16_supported()


_SAY = """
from src.engines import cpu
print(cpu.in_words(), cpu.multiplies_bytes(), cpu.multiplies_bfloat16("Numba"), sep="|")
"""


def _said(**environment: str) -> list[str]:
    switches = cpu.held_to(Level.AVX2)
    inherited = {name: value for name, value in os.environ.items() if name not in switches}
    command = [sys.executable, "-c", _SAY]
    done = subprocess.run(command, env=inherited | environment, capture_output=True, text=True, check=True)
    return done.stdout.strip().split("|")


@pytest.mark.parametrize("level", [level for level in Level if level >= Level.AVX2])
def test_a_process_that_is_held_to_less_says_so(level: Level) -> None:
    if cpu.available() < level:
        pytest.skip(f"the CPU has no {level.title}")
    whole = "" if level == cpu.available() else f" (of {cpu.available().title})"
    assert _said(**cpu.held_to(level)) == [
        f"{level.title}{whole}",
        str(level >= Level.AVX512_VNNI),
        str(level >= Level.AVX512_BF16),
    ]


def test_one_library_alone_is_named() -> None:
    if cpu.available() < Level.AVX512:
        pytest.skip("the CPU has nothing to hold back")
    assert _said(NUMBA_CPU_NAME="haswell")[0] == f"AVX2 in Numba (of {cpu.available().title})"
    assert _said(NUMBA_ENABLE_AVX="0")[0] == f"AVX2 in Numba (of {cpu.available().title})"
    # what is not known is no reason to use more
    assert _said(ONEDNN_MAX_CPU_ISA="AVX10_99")[1] == "False"


def test_a_cpu_that_llvm_does_not_know_is_taken_for_the_simplest(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> None:
        raise RuntimeError

    monkeypatch.setattr("llvmlite.binding.get_host_cpu_features", unknown)
    assert cpu.available.__wrapped__() is Level.BASELINE


def test_nothing_can_be_held_below_avx2() -> None:
    with pytest.raises(ValueError, match="BASELINE"):
        cpu.held_to(Level.BASELINE)
