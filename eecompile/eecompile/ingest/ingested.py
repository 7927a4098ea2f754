"""What every kind of model file becomes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import onnx_ir as ir

from eecompile.input_info import InputInfo
from eengines.tensors import Array

__all__ = ["Ingested", "Reference"]

Reference = Callable[[Mapping[str, Array]], list[Array]]
"""Network inputs by name, `[batch, ...]`, to the logits `[batch, classes, ...] float32` of every exit.

Of a folded network `[batch, fold, ...]` to `[batch, fold, classes]`: a row is a group of images."""


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """A network as one ONNX graph.

    Attributes:
        model: takes what the network sees, `[batch, ...]` with the symbolic dimension `batch`; its outputs are the
            logits `[batch, classes, ...] float32` of the exits, shallow to deep. Of a folded network it takes `[batch,
            fold, ...]` and gives `[batch, fold, classes]`. Owned by whoever holds this object.
        inputs: the raw samples, one entry for each input of `model`, in its order; of a folded network one image.
        exits: the names of the outputs of `model`, in its order.
        classes: names of the classes by label, where the file has them.
        task: what the exits answer: `classification`, or `segmentation` for one class a pixel.
        reference: the network in torch, where it came from torch.
        source_sha256: of the model file, and of its external data where it has some.
        fold: images a row of `model`; 1: it is not folded.
        fold_widths: how the widths of a folded network were rounded, as `FoldEntry.widths`; None: it is not folded.
    """

    model: ir.Model
    inputs: tuple[InputInfo, ...]
    exits: tuple[str, ...]
    classes: tuple[str, ...] | None
    task: str
    reference: Reference | None
    source_sha256: str
    fold: int = 1
    fold_widths: str | None = None
