"""How likely texts of one row are, given its audio: each takes one decoder step."""

from collections.abc import Sequence

import torch

from src.engines.kernels import Rows


class Likelihoods:
    """Log-probabilities of several texts, each in a step of its own, under the same prompt.

    Args:
        prompt: the tokens before a text, up to and with the one for no timestamps, and words that are said
            before the text.
        texts: without timestamps.
        end: the token that ends a text. Tokens behind it are no text.
    """

    def __init__(self, prompt: Sequence[int], texts: Sequence[Sequence[int]], end: int) -> None:
        self._prompt = list(prompt)
        self.texts = [tuple(text) for text in texts]
        self._end = end
        self.found: list[float] = []
        """Those of the first texts, the end mark included."""

    @property
    def are_known(self) -> bool:
        """Whether all texts have been read."""
        return len(self.found) == len(self.texts)

    @property
    def tokens(self) -> list[int]:
        """What the decoder is given next, with an empty cache."""
        return [*self._prompt, *self.texts[len(self.found)]]

    @property
    def wanted(self) -> range:
        """Indexes of the tokens whose logits are wanted."""
        return range(len(self._prompt) - 1, len(self.tokens))

    def take(self, logits: Rows) -> None:
        """Take the logits of `wanted`."""
        text = [*self.texts[len(self.found)], self._end]
        logprobs = torch.from_numpy(logits[:, : self._end + 1]).log_softmax(1)
        self.found.append(float(logprobs[range(len(text)), text].sum()))
