"""What EENet's functions look at: class probabilities, two confidences, and whether an exit is right."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eecalib.trace import ExitTrace
from eecalib.tuning.share_cost import F64
from eerun.policies.entropy import SMALLEST_PROBABILITY
from eerun.policies.max_probability import softmax

__all__ = ["ExitFeatures"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ExitFeatures:
    """Features of all exits for some samples.

    Attributes:
        values: `[exits, samples, classes + 2] float64`: the softmax, its maximum, one minus its normalised entropy.
        right: `[exits, samples] float64`, 1 where the exit's answer is right, else 0.
    """

    values: F64
    right: F64

    @property
    def exits(self) -> int:
        """How many exits there are."""
        return int(self.values.shape[0])

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return int(self.values.shape[1])

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return int(self.values.shape[2]) - 2

    def rows(self, samples: NDArray[np.int64]) -> "ExitFeatures":
        """Return the features of some samples, given by their indices."""
        return ExitFeatures(values=self.values[:, samples], right=self.right[:, samples])

    @classmethod
    def of(cls, trace: ExitTrace) -> "ExitFeatures":
        """Return the features of a trace with labels."""
        logits = np.moveaxis(np.asarray(trace.logits), 1, 0)
        exits, samples, classes = logits.shape
        p = softmax(np.ascontiguousarray(logits.reshape(-1, classes))).astype(np.float64)
        entropy = (p * np.log(np.maximum(p, SMALLEST_PROBABILITY))).sum(axis=1) / np.log(classes)
        values = np.concatenate([p, p.max(axis=1, keepdims=True), 1 + entropy[:, None]], axis=1)
        right = logits.argmax(axis=2) == trace.labels
        return cls(values=values.reshape(exits, samples, classes + 2), right=right.astype(np.float64))
