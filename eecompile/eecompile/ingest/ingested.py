"""What every kind of model file becomes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import onnx_ir as ir

from eecompile.input_info import InputInfo
from eengines.tensors import Array

__all__ = ["Ingested", "Reference"]

Reference = Callable[[Mapping[str, Array]], list[Array]]
"""Network inputs by name, `[batch, ...]`, to the logits `[batch, classes, ...] float32` of every exit."""


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """A network as one ONNX graph.

    Attributes:
        model: takes what the network sees, `[batch, ...]` with the symbolic dimension `batch`; its outputs are the
            logits `[batch, classes, ...] float32` of the exits, shallow to deep. Owned by whoever holds this object.
        inputs: the raw samples, one entry for each input of `model`, in its order.
        exits: the names of the outputs of `model`, in its order.
        classes: names of the classes by label, where the file has them.
        task: what the exits answer: `classification`, or `segmentation` for one class a pixel.
        reference: the network in torch, where it came from torch.
        source_sha256: of the model file, and of its external data where it has some.
    """

    model: ir.Model
    inputs: tuple[InputInfo, ...]
    exits: tuple[str, ...]
    classes: tuple[str, ...] | None
    task: str
    reference: Reference | None
    source_sha256: str
