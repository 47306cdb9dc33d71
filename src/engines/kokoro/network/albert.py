"""ALBERT (Lan et al., 2019) over phonemes: one layer, applied twelve times."""

import torch
from torch import Tensor, nn
from torch.nn import functional

_HEADS, _TIMES = 12, 12
_EPSILON = 1e-12


class Albert(nn.Module):
    """ALBERT: from tokens (1, n) to features (1, n, 768)."""

    def __init__(self, symbols: int, positions: int = 512, embedding: int = 128, width: int = 768) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(symbols, embedding)
        self.position_embeddings = nn.Embedding(positions, embedding)
        self.token_type_embeddings = nn.Embedding(2, embedding)
        self.LayerNorm = nn.LayerNorm(embedding, _EPSILON)
        self.embedding_hidden_mapping_in = nn.Linear(embedding, width)
        self.layer = _Layer(width)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.word_embeddings(tokens) + self.token_type_embeddings.weight[0]
        x = x + self.position_embeddings.weight[: tokens.shape[1]]
        features: Tensor = self.embedding_hidden_mapping_in(self.LayerNorm(x))
        for _ in range(_TIMES):
            features = self.layer(features)
        return features


class _Layer(nn.Module):
    def __init__(self, width: int, inner: int = 2048) -> None:
        super().__init__()
        self.attention = _Attention(width)
        self.ffn = nn.Linear(width, inner)
        self.ffn_output = nn.Linear(inner, width)
        self.full_layer_layer_norm = nn.LayerNorm(width, _EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attention(x)
        inner = functional.gelu(self.ffn(x), approximate="tanh")
        normal: Tensor = self.full_layer_layer_norm(self.ffn_output(inner) + x)
        return normal


class _Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.dense = nn.Linear(width, width)
        self.LayerNorm = nn.LayerNorm(width, _EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (_split(layer(x)) for layer in (self.query, self.key, self.value))
        context = functional.scaled_dot_product_attention(query, key, value)
        normal: Tensor = self.LayerNorm(x + self.dense(context.transpose(1, 2).flatten(2)))
        return normal


def _split(x: Tensor) -> Tensor:
    return torch.unflatten(x, 2, (_HEADS, -1)).transpose(1, 2)
