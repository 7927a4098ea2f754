"""Bag-of-Features pooling with learned codewords (Passalis et al. 2020; as exits use it: Predictive Exit)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from eecompile.heads.modules.fresh import fresh

__all__ = ["BagOfFeatures", "Codebook"]

EPSILON = 1e-6
"""Keeps the sum over codewords from zero. Where the original adds 5e-16, which float16 cannot hold."""


class Codebook(nn.Module):
    """How often each codeword is seen in each window of a map.

    With similarities s, the result of a 1x1 convolution: v = (tanh(a·s + c) + 1) / 2, u = n1 · v / Σ v over the
    codewords; the result is n2 times the mean of u over a window. Starts with a 1, c 0, n1 the number of codewords, n2
    the side of a window.

    Parameters: channels · codewords + codewords + 4.

    Args:
        channels: of the map.
        codewords: how many.
        window: where n2 starts.
    """

    def __init__(self, channels: int, codewords: int, window: int) -> None:
        super().__init__()
        self.similarity = fresh(nn.Conv2d(channels, codewords, 1))
        self.slope = nn.Parameter(torch.tensor(1.0))
        self.shift = nn.Parameter(torch.tensor(0.0))
        self.sum = nn.Parameter(torch.tensor(float(codewords)))
        self.scale = nn.Parameter(torch.tensor(float(window)))

    def forward(self, x: Tensor, window: tuple[int, int]) -> Tensor:
        """Map `[batch, channels, height, width] float32` to `[batch, codewords, height / window, width / window]`.

        A rest at the edge is left out. The halves of v cancel; n1 and n2 follow the mean, where there is less to scale.
        """
        found = torch.tanh(self.slope * self.similarity(x) + self.shift) + 1
        shares = found / (found.sum(1, keepdim=True) + EPSILON)
        return functional.avg_pool2d(shares, window) * (self.sum * self.scale)


class BagOfFeatures(nn.Module):
    """Codebook, and linear layers with nothing between them; all of them may be shared.

    Args:
        codebook: see `Codebook`.
        window: height and width of what is averaged.
        layers: from codewords · windows to classes.
    """

    def __init__(self, codebook: nn.Module, window: tuple[int, int], layers: list[nn.Module]) -> None:
        super().__init__()
        self.codebook = codebook
        self.window = window
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[batch, channels, height, width] float32` to logits `[batch, classes]`."""
        x = self.codebook(x, self.window).flatten(1)
        for layer in self.layers:
            x = layer(x)
        return x
