"""Batches of training samples as the network takes them; only what a batch needs is converted."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eecompile.input_info import InputInfo
from eecompile.network_values import network_values
from eecompile.train.augment import CropFlip, draw_crop_flip, refuse_other_than_images, shifted
from eecompile.train.random_streams import random_stream
from eecompile.train.settings import TrainSettings
from eengines.errors import DataError, UserError
from eengines.tensors import Array
from eerun.data import Labels, Samples, check_labels, ignored_label

__all__ = ["SampleReader"]

Index = NDArray[np.integer[Any]]


class SampleReader:
    """Reads samples by index, augmented where wanted.

    Args:
        inputs: how raw samples become what the network sees, in the order of the network's inputs.
        samples: raw samples with or without labels; the arrays may be memory-mapped.
        output: shape of one sample of the trunk's answer.
        settings: augmentation, and what needs labels.
        device: where the tensors shall be.

    Raises:
        UserError: labels are needed and there are none, or the augmentation does not fit the inputs.
        DataError: an input is missing, or the labels do not fit the answer.
    """

    def __init__(
        self,
        inputs: Sequence[InputInfo],
        samples: Samples,
        output: Sequence[int],
        settings: TrainSettings,
        device: torch.device,
    ) -> None:
        missing = [info.name for info in inputs if info.name not in samples.inputs]
        if missing:
            got = ", ".join(samples.inputs)
            raise DataError("training data", f"lacks input '{missing[0]}': got {got}", "Add the array")
        if settings.needs_labels and samples.labels is None:
            flags = "--mode joint" if settings.mode == "joint" else "--target labels"
            remedy = "Add labels (y_train), or learn the trunk's answers: --mode frozen --target trunk"
            raise UserError(flags, "got samples without labels, expected labels", remedy)
        check_labels(samples.labels, output, source="training data")
        if samples.labels is not None and len(output) == 1:
            _refuse_unknown_classes(samples.labels, output[0])
        self._inputs, self._samples, self._device = tuple(inputs), samples, device
        self._crops, self._seed, self.ignored = (
            settings.augmentation == "crop-flip",
            settings.seed,
            ignored_label(output),
        )
        if self._crops:
            refuse_other_than_images(inputs)
            self._refuse_maps_of_another_size(output, settings)

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def has_labels(self) -> bool:
        """Whether `labels` returns some."""
        return self._samples.labels is not None

    def draw(self, copy: int) -> CropFlip | None:
        """What augmentation does to each sample in one of its copies; None without augmentation."""
        if not self._crops:
            return None
        height, width = self._inputs[0].network_shape[1:]
        return draw_crop_flip(random_stream(self._seed, "augment", copy), len(self), height, width)

    def inputs(self, index: Index, change: CropFlip | None) -> tuple[Tensor, ...]:
        """The network's inputs `[batch, ...]` for the samples at `index`; `change` has an entry for every sample."""
        tensors = []
        for info in self._inputs:
            raw: Array = self._samples.inputs[info.name][index]
            if change is not None:
                rows = 1 if info.layout == "NHWC" else 2
                raw = shifted(raw, change.take(index), rows=rows, columns=rows + 1, fill=0)
            tensors.append(torch.from_numpy(network_values(info, raw)).to(self._device))
        return tuple(tensors)

    def labels(self, index: Index, change: CropFlip | None) -> Tensor | None:
        """Labels `[batch]` or `[batch, height, width]` int64, moved as the images are; None without labels."""
        if self._samples.labels is None:
            return None
        found: Array = self._samples.labels[index]
        if change is not None and found.ndim == 3 and self.ignored is not None:
            found = shifted(found, change.take(index), rows=1, columns=2, fill=self.ignored)
        return torch.from_numpy(np.ascontiguousarray(found, np.int64)).to(self._device)

    def _refuse_maps_of_another_size(self, output: Sequence[int], settings: TrainSettings) -> None:
        """Labels of pixels are moved with the image, which needs the same size and a label for what came in."""
        size = self._inputs[0].network_shape[1:]
        if settings.needs_labels and len(output) == 3 and (tuple(output[1:]) != size or self.ignored is None):
            problem = (
                f"got labels of {list(output)} for images of {list(size)}, expected the same size and <= 255 classes"
            )
            raise UserError("--augmentation crop-flip", problem, "Leave it out, or take --target trunk")


def _refuse_unknown_classes(labels: Labels, classes: int) -> None:
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        problem = f"labels run from {low} to {high}, expected 0..{classes - 1}: the trunk tells {classes} classes apart"
        raise DataError("training data", problem, "Correct the labels, or attach heads to a trunk for these classes")
