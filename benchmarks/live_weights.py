"""Weights of a CTranslate2 folder as a checkpoint of openai/whisper, for peers that decode with PyTorch."""

from pathlib import Path

import torch
from torch import Tensor

from src.engines.linear import MatMulFloat32
from src.engines.whisper.loop.layers import LayerBuilder
from src.engines.whisper.loop.weights import read


def write_checkpoint(folder: Path, path: Path) -> None:
    """Write the weights in `folder` to `path`, in float16."""
    encoder = LayerBuilder(read(folder, "encoder/"), MatMulFloat32)
    decoder = LayerBuilder(read(folder, "decoder/"), MatMulFloat32)
    state = _part("encoder", encoder) | _part("decoder", decoder)
    for number in (1, 2):
        state[f"encoder.conv{number}.weight"] = encoder.tensor(f"conv{number}/weight")
        state[f"encoder.conv{number}.bias"] = encoder.tensor(f"conv{number}/bias")
    state["encoder.positional_embedding"] = encoder.tensor("position_encodings/encodings")
    state["decoder.positional_embedding"] = decoder.tensor("position_encodings/encodings")
    state["decoder.token_embedding.weight"] = decoder.tensor("embeddings/weight")
    width = state["encoder.conv1.weight"].shape[0]
    dims = {
        "n_mels": state["encoder.conv1.weight"].shape[1],
        "n_audio_ctx": len(state["encoder.positional_embedding"]),
        "n_audio_state": width,
        "n_audio_head": int(encoder.tensor("num_heads")),
        "n_audio_layer": encoder.count("layer_{}/ffn/linear_0/weight"),
        "n_vocab": len(state["decoder.token_embedding.weight"]),
        "n_text_ctx": len(state["decoder.positional_embedding"]),
        "n_text_state": width,
        "n_text_head": int(decoder.tensor("num_heads")),
        "n_text_layer": decoder.count("layer_{}/ffn/linear_0/weight"),
    }
    torch.save({"dims": dims, "model_state_dict": {name: one.half() for name, one in state.items()}}, path)


def _part(part: str, layers: LayerBuilder) -> dict[str, Tensor]:
    """The blocks of the encoder or the decoder, and the norm behind them."""
    state: dict[str, Tensor] = {}

    def norm(name: str, found: str) -> None:
        state[f"{name}.weight"] = layers.tensor(f"{found}/gamma")
        state[f"{name}.bias"] = layers.tensor(f"{found}/beta")

    def linear(names: list[str], found: str) -> None:
        weights = layers.tensor(f"{found}/weight").chunk(len(names))
        biases = layers.tensor(f"{found}/bias").chunk(len(names))
        for name, weight, bias in zip(names, weights, biases, strict=True):
            state[f"{name}.weight"] = weight
            if not name.endswith(".key"):  # Whisper's keys have none
                state[f"{name}.bias"] = bias

    for number in range(layers.count("layer_{}/ffn/linear_0/weight")):
        ours, theirs = f"layer_{number}", f"{part}.blocks.{number}"
        linear(
            [f"{theirs}.attn.{one}" for one in ("query", "key", "value")], f"{ours}/self_attention/linear_0"
        )
        linear([f"{theirs}.attn.out"], f"{ours}/self_attention/linear_1")
        norm(f"{theirs}.attn_ln", f"{ours}/self_attention/layer_norm")
        if part == "decoder":
            linear([f"{theirs}.cross_attn.query"], f"{ours}/attention/linear_0")
            linear([f"{theirs}.cross_attn.{one}" for one in ("key", "value")], f"{ours}/attention/linear_1")
            linear([f"{theirs}.cross_attn.out"], f"{ours}/attention/linear_2")
            norm(f"{theirs}.cross_attn_ln", f"{ours}/attention/layer_norm")
        linear([f"{theirs}.mlp.0"], f"{ours}/ffn/linear_0")
        linear([f"{theirs}.mlp.2"], f"{ours}/ffn/linear_1")
        norm(f"{theirs}.mlp_ln", f"{ours}/ffn/layer_norm")
    norm(f"{part}.ln_post" if part == "encoder" else f"{part}.ln", "layer_norm")
    return state
