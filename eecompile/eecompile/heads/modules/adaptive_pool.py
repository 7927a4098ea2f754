"""Adaptive average pooling of a vector, for any two lengths, in operators that every engine has."""

from math import gcd

import torch
from torch import Tensor, nn

__all__ = ["adaptive_pool"]


def adaptive_pool(features: int, size: int) -> nn.Module:
    """Map `[batch, features]` to `[batch, size]` as torch's `adaptive_avg_pool1d` does.

    Result i is the mean of values floor(i·features/size) up to ceil((i+1)·features/size), that one not included. Where
    `size` divides `features` that is a plain average pool. Has no parameters.

    Args:
        features: length of the vector.
        size: length of the result, at most `features`.
    """
    if size == features:
        return nn.Sequential()
    if features % size == 0:
        return nn.Sequential(nn.Unflatten(1, (1, -1)), nn.AvgPool1d(features // size), nn.Flatten())
    return PeriodicPool(features, size)


class PeriodicPool(nn.Module):
    """The pool where `size` does not divide `features`: windows of different lengths, which overlap.

    With g the greatest common divisor of both, the windows repeat g times along the vector, so the vector is g rows,
    each multiplied by the same matrix `[features / g, size / g]` of shares. It is a constant, not a weight.
    """

    shares: Tensor

    def __init__(self, features: int, size: int) -> None:
        super().__init__()
        self.periods = gcd(features, size)
        rows, columns = features // self.periods, size // self.periods
        shares = torch.zeros(rows, columns)
        for column in range(columns):
            first, end = column * rows // columns, -(-(column + 1) * rows // columns)
            shares[first:end, column] = 1 / (end - first)
        self.register_buffer("shares", shares, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[batch, features] float32` to `[batch, size]`."""
        return (x.reshape(-1, self.periods, len(self.shares)) @ self.shares).flatten(1)
