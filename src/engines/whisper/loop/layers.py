"""What the layers of the network are made of."""

from torch import Tensor
from torch.nn.functional import layer_norm

from src.engines.whisper.loop.linear import Layers, Linear


class Block:
    """A normalisation and the linear layers after it: of an attention or a feed-forward network."""

    def __init__(self, layers: Layers[Linear], name: str) -> None:
        self._gamma = layers.tensor(f"{name}/layer_norm/gamma")
        self._beta = layers.tensor(f"{name}/layer_norm/beta")
        self.linears = [
            layers.linear(f"{name}/linear_{n}") for n in range(layers.count(f"{name}/linear_{{}}/weight"))
        ]

    def normal(self, x: Tensor) -> Tensor:
        return normal(x, self._gamma, self._beta)


def normal(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """Layer normalisation over the last dimension."""
    return layer_norm(x, gamma.shape, gamma, beta)
