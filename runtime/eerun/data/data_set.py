"""Samples with their labels, and the named sets of them that a source gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eengines.tensors import Array

__all__ = ["SPLITS", "UNSPLIT", "DataSet", "Labels", "Samples"]

Labels = NDArray[np.int64 | np.uint8]
"""One a sample, int64, or a map of one a pixel, uint8 or int64."""

SPLITS = ("train", "calib", "tune", "certify", "test")
"""train: weights; calib: int8 ranges; tune: thresholds; certify: the guarantee; test: what is reported."""

UNSPLIT = "all"
"""The name of the only set of a source that does not say which sample is for what."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Samples in a fixed order.

    Attributes:
        inputs: for each network input its raw samples `[samples, ...]`, as the user has them.
        labels: `[samples] int64`, or of maps `[samples, height, width]` uint8 or int64, or None where the samples have
            no labels.
    """

    inputs: Mapping[str, Array]
    labels: Labels | None

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def take(self, index: NDArray[np.integer[Any]]) -> "Samples":
        """Return a copy of the samples at `index` `[n]`, in that order."""
        inputs = {name: array[index] for name, array in self.inputs.items()}
        return Samples(inputs=inputs, labels=None if self.labels is None else self.labels[index])


@dataclass(frozen=True, kw_only=True, eq=False)
class DataSet:
    """What a source gives, before `make_splits` decides which sample is for what.

    Attributes:
        splits: the sets the source names (some of `SPLITS`), or the single set `UNSPLIT`.
        classes: the names of the classes, by label, or None.
        source: where the samples come from, for messages.
    """

    splits: Mapping[str, Samples]
    classes: tuple[str, ...] | None
    source: str
