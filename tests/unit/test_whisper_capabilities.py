"""What the loop does where an operation is missing or wrong."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from src.engines import cpu
from src.engines.cpu import Level
from src.engines.kernels import byte_rows
from src.engines.kernels import encoder_attention as words
from src.engines.linear import MatMulFloat32, MatMulInt8, MatMulInt8OneDnn, MatMulInt8Tiles
from src.engines.whisper import WhisperEngine
from src.engines.whisper.ctranslate2_runner import CTranslate2Runner
from src.engines.whisper.loop import LoopRunner, Unsupported, encoder_attention, is_meant_for, probe
from src.engines.whisper.loop import cross_attention as attention
from src.engines.whisper.loop.cross_attention import (
    CrossAttentionFloat32,
    CrossAttentionInt8,
    CrossAttentionInt16,
)
from src.engines.whisper.loop.encoder_attention import EncoderAttentionFloat32, EncoderAttentionInt16

needs_fbgemm = pytest.mark.skipif(
    "fbgemm" not in torch.backends.quantized.supported_engines, reason="PyTorch has no FBGEMM for this CPU"
)
pytestmark = [needs_fbgemm, pytest.mark.instructions]


def save(folder: Path, heads: int = 6) -> None:
    """A file in CTranslate2's format with what `probe` reads: layers of 384 numbers."""
    names: dict[str, NDArray[np.generic]] = {
        "layer_norm/gamma": np.zeros(384, np.float32),
        "num_heads": np.array(heads, np.int16),
    }
    variables = {f"{part}/{name}": one for part in ("encoder", "decoder") for name, one in names.items()}
    text = b"".join(
        struct.pack(f"<H{len(name) + 1}sB", len(name) + 1, name.encode(), one.ndim)
        + struct.pack(f"<{one.ndim}I", *one.shape)
        + struct.pack("<BI", {"float32": 0, "int16": 2}[one.dtype.name], one.nbytes)
        + one.tobytes()
        for name, one in variables.items()
    )
    header = struct.pack("<IH12sII", 6, 12, b"WhisperSpec", 3, len(variables))
    (folder / "model.bin").write_bytes(header + text + bytes(4))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(tmp_path)
    return tmp_path


def engine(folder: Path) -> WhisperEngine:
    return WhisperEngine(folder, name="base", device="cpu", compute_type="int8", threads=2)


def broken(*_: object, **__: object) -> None:
    raise RuntimeError("no such operation")


def pretend(level: Level, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernels for it are tried, and none of them runs: the CPU may not have the instructions."""
    monkeypatch.setattr("src.engines.cpu.multiplies_words", lambda _: level >= Level.AVX512_VNNI)
    monkeypatch.setattr("src.engines.cpu.has_avx2_alone", lambda: level is Level.AVX2)
    monkeypatch.setattr(byte_rows, "multiply_bytes", broken)
    for module in (attention, words, encoder_attention):
        monkeypatch.setattr(module, "attend", broken)


def test_where_all_works_the_fastest_is_used(folder: Path) -> None:
    found = probe("int8", folder)
    has_vnni, has_avx2 = cpu.multiplies_words("Numba"), cpu.has_avx2_alone()
    has_tiles = has_vnni or has_avx2
    assert found.few_rows is (MatMulInt8Tiles if has_tiles else MatMulInt8)
    assert found.many_rows is (MatMulInt8Tiles if has_avx2 else MatMulInt8OneDnn)
    assert found.encoder_attention is (EncoderAttentionInt16 if has_tiles else EncoderAttentionFloat32)
    for_steps = CrossAttentionInt16 if has_avx2 else CrossAttentionFloat32
    assert found.cross_attention is (CrossAttentionInt8 if has_vnni else for_steps)
    assert probe("float32", folder).few_rows is MatMulFloat32
    assert probe("float32", folder).encoder_attention is EncoderAttentionFloat32
    assert engine(folder).notices == ()
    assert engine(folder).load.stall_limit == 60


def test_a_missing_product_for_many_rows_is_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(Level.AVX512, monkeypatch)
    monkeypatch.setattr(MatMulInt8OneDnn, "__call__", broken)
    found = probe("int8", folder)
    assert found.many_rows is MatMulInt8
    assert isinstance(engine(folder)._runner, LoopRunner)


def test_a_wrong_product_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = MatMulInt8OneDnn.__call__

    def wrong(self: MatMulInt8OneDnn, rows: object) -> object:
        out, scales = right(self, rows)  # type: ignore[arg-type]
        out[0, 0] += 50
        return out, scales

    pretend(Level.AVX512, monkeypatch)
    monkeypatch.setattr(MatMulInt8OneDnn, "__call__", wrong)
    assert probe("int8", folder).many_rows is MatMulInt8


@pytest.mark.parametrize("level", [Level.AVX2, Level.AVX512_VNNI])
@pytest.mark.parametrize("damage", ["raises", "is not a number"])
def test_products_of_our_own_fall_back_to_those_of_libraries(
    folder: Path, monkeypatch: pytest.MonkeyPatch, damage: str, level: Level
) -> None:
    def nan(*arguments: object) -> None:
        out = arguments[4]
        assert isinstance(out, np.ndarray)
        out[:] = float("nan")

    pretend(level, monkeypatch)
    monkeypatch.setattr(byte_rows, "multiply_bytes", broken if damage == "raises" else nan)
    found = probe("int8", folder)
    assert found.few_rows is MatMulInt8
    assert found.many_rows is MatMulInt8OneDnn


@pytest.mark.parametrize("damage", ["raises", "is not a number"])
def test_attention_falls_back_to_float32(folder: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    def nan(*arguments: object) -> None:
        out = arguments[-1]
        assert isinstance(out, np.ndarray)
        out[:] = float("nan")

    pretend(Level.AVX512_VNNI, monkeypatch)
    monkeypatch.setattr(attention, "pack", lambda *_: None)
    monkeypatch.setattr(attention, "attend", broken if damage == "raises" else nan)
    found = probe("int8", folder)
    assert found.cross_attention is CrossAttentionFloat32


@pytest.mark.parametrize("level", [Level.AVX2, Level.AVX512_VNNI])
@pytest.mark.parametrize("damage", ["raises", "is not a number"])
def test_attention_in_16_bits_falls_back_to_float32(
    folder: Path, monkeypatch: pytest.MonkeyPatch, damage: str, level: Level
) -> None:
    def nan(*arguments: object) -> None:
        out = arguments[8]
        assert isinstance(out, np.ndarray)
        out[:] = float("nan")

    pretend(level, monkeypatch)
    for module in (words, encoder_attention):
        for kernel in ("pack_queries", "pack_keys", "pack_values"):
            monkeypatch.setattr(module, kernel, lambda *_: None)
        monkeypatch.setattr(module, "attend", broken if damage == "raises" else nan)
    found = probe("int8", folder)
    assert found.encoder_attention is EncoderAttentionFloat32
    assert found.cross_attention is CrossAttentionFloat32


def test_a_model_with_heads_of_another_width_gets_attention_in_float32(folder: Path) -> None:
    save(folder, heads=12)
    found = probe("int8", folder)
    assert found.cross_attention is CrossAttentionFloat32
    assert found.encoder_attention is EncoderAttentionFloat32


def test_without_a_product_for_few_rows_ctranslate2_decodes_and_a_notice_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MatMulInt8, "__call__", broken)
    monkeypatch.setattr(MatMulInt8Tiles, "__call__", broken)
    with pytest.raises(Unsupported, match="MatMulInt8 does not work here"):
        probe("int8", folder)
    fallen_back = engine(folder)
    assert isinstance(fallen_back._runner, CTranslate2Runner)
    [notice] = fallen_back.notices
    assert "decodes with CTranslate2" in notice
    assert "no such operation" in notice
    # its step is a whole batch, so that the first one may take minutes before any was measured
    assert fallen_back.load.stall_limit == 300


def test_weights_of_another_format_are_left_to_ctranslate2(folder: Path) -> None:
    (folder / "model.bin").write_bytes((7).to_bytes(4, "little"))
    fallen_back = engine(folder)
    assert isinstance(fallen_back._runner, CTranslate2Runner)
    assert "format 7" in fallen_back.notices[0]


@pytest.mark.parametrize(("device", "compute_type"), [("cuda", "int8"), ("cpu", "bfloat16")])
def test_elsewhere_the_loop_is_not_meant_to_be_used(device: str, compute_type: str) -> None:
    assert not is_meant_for(device, compute_type)
