"""Whisper models of the true shapes with random weights: what production runs and no test can fetch.

CTranslate2's own specification writes them, as its converter does for trained weights. What such a model
writes means nothing, but what it costs does not depend on the numbers, and two decoders must agree on it.

    python -m benchmarks.random_whisper medium /tmp/medium --tokenizer models/whisper/base/tokenizer.json
"""

import argparse
import copy
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ctranslate2.specs import WhisperSpec
from ctranslate2.specs.common_spec import LayerNormSpec
from numpy.typing import NDArray

_POSITIONS, _TOKENS = 1500, 448
"""Positions of the encoder and of the decoder."""
_LAST_ENGLISH = 50_256
"""Tokens of text in an English-only vocabulary; a multilingual one has one more."""
_LANGUAGE = re.compile(r"<\|[a-z]{2,3}\|>")


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of a Whisper model, as its `config.json` on the hub says."""

    width: int
    encoder_layers: int
    decoder_layers: int
    mels: int = 80
    languages: int = 99
    """99, 100 with Cantonese, or 0: English only."""
    heads: int = 0
    """0: as many as fit, 64 wide each, as in all released models."""

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return 51_766 + self.languages if self.languages else 51_864


SHAPES = {
    "tiny": Shape(384, 4, 4),
    "base": Shape(512, 6, 6),
    "base.en": Shape(512, 6, 6, languages=0),
    "small": Shape(768, 12, 12),
    "small.en": Shape(768, 12, 12, languages=0),
    "medium": Shape(1024, 24, 24),
    "large-v3-turbo": Shape(1280, 32, 4, mels=128, languages=100),
    "distil-large-v3": Shape(1280, 32, 2, mels=128, languages=100),
}


def save(shape: Shape, folder: Path, tokenizer: Path, *, quantization: str = "int8", seed: int = 0) -> None:
    """Write a model with random weights.

    Args:
        shape: of the model.
        folder: is made.
        tokenizer: `tokenizer.json` of a multilingual Whisper with 99 languages, which is fitted to the shape.
        quantization: of CTranslate2; `int8` writes the integers without any float32 before.
        seed: of the weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    heads = shape.heads or shape.width // 64
    spec = WhisperSpec(shape.encoder_layers, heads, shape.decoder_layers, heads)
    _Filler(np.random.default_rng(seed), quantization == "int8").fill(spec, shape)
    adapted = tokenizer_for(shape, json.loads(tokenizer.read_text(encoding="utf-8")))
    tokens = _tokens_of(adapted)
    spec.register_vocabulary([tokens[number] for number in range(shape.vocabulary)])
    spec.validate()
    if quantization == "int8":
        # by name, as `optimize` does with what is equal
        spec.decoder.projection.weight = "decoder/embeddings/weight"
    else:
        spec.optimize(quantization)
    languages = [n for n, token in tokens.items() if _LANGUAGE.fullmatch(token)]
    spec.config.lang_ids = sorted(languages) if shape.languages else []
    spec.config.suppress_ids, spec.config.suppress_ids_begin = [], []
    upper = range(shape.decoder_layers // 2, shape.decoder_layers)
    spec.config.alignment_heads = [[layer, head] for layer in upper for head in range(heads)]
    spec.save(str(folder))
    (folder / "tokenizer.json").write_text(json.dumps(adapted), encoding="utf-8")
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": shape.mels}))


class _Filler:
    """Sets the weights of a specification.

    Args:
        random: the source of numbers.
        integers: linear layers get 8-bit integers and their scales.
    """

    def __init__(self, random: np.random.Generator, integers: bool) -> None:
        self._random = random
        self._integers = integers

    def fill(self, spec: WhisperSpec, shape: Shape) -> None:
        width = shape.width
        encoder, decoder = spec.encoder, spec.decoder
        self._convolution(encoder.conv1, width, shape.mels)
        self._convolution(encoder.conv2, width, width)
        encoder.position_encodings.encodings = self._normal(_POSITIONS, width, scale=0.1)
        # so large that a token does not predict itself, as its own vector is the likeliest one to follow it
        decoder.position_encodings.encodings = self._normal(_TOKENS, width, scale=2)
        # sharp enough that no two tokens are equally likely to within the errors of float32
        self._matrix(decoder.embeddings, shape.vocabulary, width, scale=4 * width**-0.5)
        decoder.projection.weight = decoder.embeddings.weight
        for stack in (encoder, decoder):
            self._norm(stack.layer_norm, width)
            for layer in stack.layer:
                self._attention(layer.self_attention, width, (3, 1))
                if hasattr(layer, "attention"):
                    self._attention(layer.attention, width, (1, 2, 1))
                self._norm(layer.ffn.layer_norm, width)
                self._linear(layer.ffn.linear_0, 4 * width, width)
                self._linear(layer.ffn.linear_1, width, 4 * width)

    def _attention(self, spec: Any, width: int, outputs: Sequence[int]) -> None:
        self._norm(spec.layer_norm, width)
        for linear, times in zip(spec.linear, outputs, strict=True):
            self._linear(linear, times * width, width)

    def _norm(self, spec: LayerNormSpec, width: int) -> None:
        spec.gamma = 1 + self._normal(width, scale=0.1)
        # many are equal, as zeros are in trained weights: CTranslate2's converter keeps one of them
        spec.beta = np.zeros(width, np.float32)

    def _linear(self, spec: Any, outputs: int, inputs: int) -> None:
        self._matrix(spec, outputs, inputs, scale=inputs**-0.5)
        spec.bias = self._normal(outputs, scale=0.02)

    def _matrix(self, spec: Any, outputs: int, inputs: int, *, scale: float) -> None:
        if not self._integers:
            spec.weight = self._normal(outputs, inputs, scale=scale)
            return
        spec.weight = self._random.integers(-127, 128, (outputs, inputs), np.int8)
        # CTranslate2 keeps the factor that made the integers; 73 is the deviation of these
        spec.weight_scale = np.full(outputs, 73 / scale, np.float32)

    def _convolution(self, spec: Any, outputs: int, inputs: int) -> None:
        spec.weight = self._normal(outputs, inputs, 3, scale=(3 * inputs) ** -0.5)
        spec.bias = np.zeros(outputs, np.float32)

    def _normal(self, *shape: int, scale: float) -> NDArray[np.float32]:
        return np.float32(scale) * self._random.standard_normal(shape, np.float32)


def tokenizer_for(shape: Shape, base: dict[str, Any]) -> dict[str, Any]:
    """`tokenizer.json` for a shape, from that of a multilingual model with 99 languages.

    `large-v3` has one more language behind the others. An English-only model has one token of text less, and
    so every special token is one lower; it has the tokens of the languages, and uses none.
    """
    made = copy.deepcopy(base)
    added: list[dict[str, Any]] = made["added_tokens"]
    if shape.languages == 0:
        vocabulary: dict[str, int] = made["model"]["vocab"]
        [last] = [token for token, number in vocabulary.items() if number == _LAST_ENGLISH]
        del vocabulary[last]
        _shift(added, lambda number: number - 1)
    elif shape.languages == 100:
        first = next(one["id"] for one in added if one["content"] == "<|translate|>")
        _shift(added, lambda number: number + (number >= first))
        added.append(
            dict(next(one for one in added if one["content"] == "<|su|>"), id=first, content="<|yue|>")
        )
        added.sort(key=lambda one: int(one["id"]))
    numbers = {one["content"]: one["id"] for one in added}
    for token, known in (made.get("post_processor") or {}).get("special_tokens", {}).items():
        known["ids"] = [numbers[token]]
    return made


def _shift(added: list[dict[str, Any]], moved: Callable[[int], int]) -> None:
    for one in added:
        one["id"] = moved(one["id"])


def _tokens_of(tokenizer: dict[str, Any]) -> dict[int, str]:
    """The token of each number."""
    text = {number: token for token, number in tokenizer["model"]["vocab"].items()}
    return text | {one["id"]: one["content"] for one in tokenizer["added_tokens"]}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", choices=sorted(SHAPES))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tokenizer", type=Path, required=True)
    given = parser.parse_args()
    save(SHAPES[given.name], given.folder, given.tokenizer)


if __name__ == "__main__":
    main()
