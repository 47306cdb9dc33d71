"""Our decoder against Coqui's own, on random weights, in every variant that it takes."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from TTS.tts.configs.tacotron2_config import Tacotron2Config
from TTS.tts.models.tacotron2 import Tacotron2

from src.engines.coqui.attention import attention_of
from src.engines.coqui.decoder import Decoder
from src.engines.coqui.encoder import apply_postnet, encode

STEPS = 12
TEXTS = [[5, 9, 20, 31, 7, 8, 11, 40, 3], [12, 13, 5], [*range(2, 40)]]

VARIANTS: dict[str, dict[str, Any]] = {
    "sigmoid": {"attention_norm": "sigmoid"},
    "softmax": {"attention_norm": "softmax"},
    "not location-sensitive": {"location_attn": False, "attention_norm": "softmax"},
    "forward": {"use_forward_attn": True},
    "forward, masked": {"use_forward_attn": True, "forward_attn_mask": True},
    "forward, with agent": {"use_forward_attn": True, "transition_agent": True},
    "dynamic convolution": {"attention_type": "dynamic_convolution"},
    "batch norm in the pre-net": {"prenet_type": "bn"},
    "dropout in the pre-net": {"prenet_dropout_at_inference": True},
    "trained with a larger r": {"r": 5},
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def model(request: pytest.FixtureRequest) -> Tacotron2:
    torch.manual_seed(7)
    made = Tacotron2(Tacotron2Config(**request.param)).eval()
    for name, value in made.named_buffers():
        if name.endswith("running_var"):
            value.uniform_(0.5, 1.5)
        elif name.endswith("running_mean"):
            value.normal_()
    made.decoder.set_r(2)
    made.decoder.max_decoder_steps = STEPS
    made.decoder.stop_threshold = 2.0  # random stop tokens fire when they like
    return made


def coquis(model: Tacotron2, text: list[int]) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    outputs: dict[str, torch.Tensor] = model.inference(torch.tensor([text]))
    return outputs


@torch.inference_mode()
def ours(model: Tacotron2, texts: list[list[int]], later: list[int] | None = None) -> torch.Tensor:
    """Mels (rows, frames, mels) of rows decoded together; a `later` row joins them half-way."""
    attention = attention_of(model.decoder.attention)
    assert attention is not None
    decoder = Decoder(model.decoder, attention, "float32")
    state = decoder.start(encode(model, texts), [len(text) for text in texts], seed=0)
    frames = []
    for step in range(STEPS):
        if later is not None and step == STEPS // 2:
            state.append(decoder.start(encode(model, [later]), [len(later)], seed=0))
        frames.append(decoder.step(state).frames[: len(texts)].reshape(len(texts), 2, 80))
    return torch.cat(frames, 1)


@pytest.mark.parametrize(
    "model",
    [
        # all compute with the same operations
        pytest.param(settings, id=name, marks=pytest.mark.instructions if name == "sigmoid" else ())
        for name, settings in VARIANTS.items()
    ],
    indirect=True,
)
def test_mels_are_coquis_in_a_batch_and_alone(model: Tacotron2) -> None:
    expected = [coquis(model, text) for text in TEXTS]

    together = ours(model, TEXTS)
    refined = apply_postnet(model, list(together))

    for row, outputs in enumerate(expected):
        torch.testing.assert_close(together[row], outputs["decoder_outputs"][0], rtol=0, atol=1e-5)
        torch.testing.assert_close(refined[row], outputs["model_outputs"][0], rtol=0, atol=1e-4)
        torch.testing.assert_close(ours(model, [TEXTS[row]])[0], together[row], rtol=0, atol=1e-5)


@pytest.mark.instructions
@pytest.mark.parametrize("model", [VARIANTS["sigmoid"], VARIANTS["dynamic convolution"]], indirect=True)
def test_a_longer_row_that_joins_changes_nothing(model: Tacotron2) -> None:
    alone = ours(model, TEXTS[:2])

    joined = ours(model, TEXTS[:2], later=TEXTS[2])

    torch.testing.assert_close(joined, alone, rtol=0, atol=1e-5)


@pytest.mark.instructions
@pytest.mark.parametrize("model", [VARIANTS["sigmoid"]], indirect=True)
def test_the_post_net_does_not_let_a_long_row_into_a_short_one(model: Tacotron2) -> None:
    mels = [torch.randn(frames, 80) for frames in (4, 30, 9)]
    with torch.inference_mode():
        together = apply_postnet(model, mels)
        for mel, row in zip(mels, together, strict=True):
            torch.testing.assert_close(row, apply_postnet(model, [mel])[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "model", [{"attention_win": True}, {"attention_type": "graves", "attention_heads": 5}], indirect=True
)
def test_attentions_that_only_coqui_can_run_are_told_apart(model: Tacotron2) -> None:
    assert attention_of(model.decoder.attention) is None
