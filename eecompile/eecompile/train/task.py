"""What the loop over the epochs asks of a way to train."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from eecompile.train.score import Score

__all__ = ["Index", "Task"]

Index = NDArray[np.integer[Any]]


class Task(Protocol):
    """Training of one network, or of its heads, on one set of samples."""

    def samples_in(self, epoch: int) -> int:
        """How many samples an epoch trains on; `epoch` counts from 0."""

    def train_mode(self) -> None:
        """Put what trains into training mode, and everything else into evaluation mode."""

    def losses(self, positions: Index, epoch: int) -> Mapping[str, Tensor]:
        """Losses of the exits that learn, by name, each a scalar; `epoch` counts from 0."""

    def measure(self) -> Mapping[str, Score]:
        """Scores on the held-out samples of every head and of the final exit, in float32."""
