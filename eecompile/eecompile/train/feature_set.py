"""Features of all taps and the trunk's answers for a set of samples, kept on disk or computed again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eecompile.train.arithmetic import Arithmetic
from eecompile.train.augment import CropFlip
from eecompile.train.feature_file import FeatureFile
from eecompile.train.feature_plan import FeaturePlan
from eecompile.train.frozen_trunk import FrozenTrunk
from eecompile.train.sample_reader import SampleReader

__all__ = ["Batch", "FeatureSet"]

ANSWER = "answer"

Index = NDArray[np.integer[Any]]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What heads learn from: features and answer come from the same augmented samples.

    Attributes:
        features: by tap `[batch, ...]` float32.
        answer: the trunk's, `[batch, classes]` or `[batch, classes, height, width]` float32.
        labels: `[batch]` or `[batch, height, width]` int64, or None.
    """

    features: Mapping[str, Tensor]
    answer: Tensor
    labels: Tensor | None


class FeatureSet:
    """Copies of samples, each copy augmented in its own way, seen through the trunk.

    Args:
        reader: of the samples.
        trunk: what computes the features.
        rows: `[n]`, which samples of the reader belong to the set.
        changes: the augmentation of each copy; None: none.
        arithmetic: in which device and precision the trunk runs.
        stored: type of the kept features; what is computed again is rounded to it, too, so that it is the same.
    """

    def __init__(
        self,
        reader: SampleReader,
        trunk: FrozenTrunk,
        rows: Index,
        changes: tuple[CropFlip | None, ...],
        arithmetic: Arithmetic,
        *,
        stored: torch.dtype,
    ) -> None:
        self._reader, self._trunk, self._rows, self._changes = reader, trunk, rows, changes
        self._arithmetic, self._stored = arithmetic, stored
        self._plan = FeaturePlan(answer=False, taps=(), streamed=tuple(trunk.shapes))
        self._files: dict[str, FeatureFile] = {}

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def copies(self) -> int:
        """How many augmented copies of each sample there are."""
        return len(self._changes)

    @property
    def answer_bytes(self) -> int:
        """What the trunk's answers would take on disk, always in float32."""
        return self._count(self._trunk.answer_shape) * torch.float32.itemsize

    @property
    def tap_bytes(self) -> dict[str, int]:
        """What each tap's features would take on disk."""
        return {name: self._count(shape) * self._stored.itemsize for name, shape in self._trunk.shapes.items()}

    def keep(self, plan: FeaturePlan, folder: Path, batch: int, progress: Callable[[int], None]) -> None:
        """Compute what the plan keeps, in files of a folder.

        Args:
            plan: what to keep.
            folder: an existing folder without files of this set.
            batch: samples a pass.
            progress: called with the number of samples of each pass.
        """
        shapes = {name: self._trunk.shapes[name] for name in plan.taps}
        rows = len(self) * self.copies
        for number, (name, shape) in enumerate(shapes.items()):
            self._files[name] = FeatureFile(folder / f"tap_{number}", rows, shape, self._stored)
        if plan.answer:
            self._files[ANSWER] = FeatureFile(folder / ANSWER, rows, self._trunk.answer_shape, torch.float32)
            for copy in range(self.copies):
                for positions in np.array_split(np.arange(len(self)), -(-len(self) // batch)):
                    self._write(positions, copy, plan)
                    progress(len(positions))
        self._plan = plan

    def read(self, positions: Index, copy: int) -> Batch:
        """Return samples of the set, as augmented in one copy, by their positions `[batch]` in the set."""
        features: dict[str, Tensor] = {}
        answer: Tensor | None = None
        if not self._plan.keeps_all:
            features, answer = self._compute(positions, copy, until=self._plan.runs_until)
        rows = copy * len(self) + positions
        kept = {name: self._files[name].read(rows).to(self._arithmetic.device) for name in self._plan.taps}
        if answer is None:
            answer = self._files[ANSWER].read(rows).to(self._arithmetic.device)
        streamed = {name: features[name].to(self._stored).float() for name in self._plan.streamed}
        labels = self._reader.labels(self._rows[positions], self._changes[copy])
        return Batch(features=streamed | kept, answer=answer, labels=labels)

    def _write(self, positions: Index, copy: int, plan: FeaturePlan) -> None:
        features, answer = self._compute(positions, copy, until=None)
        start = copy * len(self) + int(positions[0])
        assert answer is not None  # noqa: S101 - the trunk ran to the end
        self._files[ANSWER].write(start, answer)
        for name in plan.taps:
            self._files[name].write(start, features[name])

    def _compute(self, positions: Index, copy: int, *, until: str | None) -> tuple[dict[str, Tensor], Tensor | None]:
        inputs = self._reader.inputs(self._rows[positions], self._changes[copy])
        with self._arithmetic.mixed():
            return self._trunk.run(inputs, until=until)

    def _count(self, shape: tuple[int, ...]) -> int:
        return len(self) * self.copies * int(np.prod(shape, dtype=np.int64))
