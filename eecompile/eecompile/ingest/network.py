"""A torch module seen as a network: arrays in by name, the logits of every exit out."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from eecompile.ingest.ingested import Reference
from eecompile.input_info import InputInfo, sequences_of
from eengines.errors import IngestError
from eengines.tensors import Array

if TYPE_CHECKING:
    from torch import nn

__all__ = ["EXAMPLE_BATCH", "check_logits", "example_inputs", "exit_names", "make_reference"]

EXAMPLE_BATCH = 3
"""Rows of an example. With one row the exporter would take the batch for a constant."""

LOGIT_RANKS = (2, 4)
"""Axes of logits `[batch, classes]`, and of `[batch, classes, height, width]`."""

FOLDED_RANK = 3
"""Axes of those of a folded network, `[batch, fold, classes]`."""


def example_inputs(infos: Sequence[InputInfo], dtypes: Sequence[str], *, fold: int = 1) -> tuple[Tensor, ...]:
    """Return `[3, *network_shape]` for each input: zeros, which are valid indices too, and ones for masks.

    Of a folded network `[3, fold, *network_shape]`.

    A sequence axis is half as long as it may be, so that the exporter does not take its length for the greatest.
    """
    sequences = sequences_of(infos)
    length = max((min(found.greatest for found in sequences.values()) + 1) // 2, 2) if sequences else 0
    rows = (EXAMPLE_BATCH,) if fold == 1 else (EXAMPLE_BATCH, fold)
    return tuple(
        torch.full((*rows, *info.network_shape_at(length)), 1 if dtype == "bool" else 0, dtype=getattr(torch, dtype))
        for info, dtype in zip(infos, dtypes, strict=True)
    )


def exit_names(given: tuple[str, ...] | None, count: int, *, where: str) -> tuple[str, ...]:
    """Name the outputs of a network that has no names: as given, or `exit_0`, `exit_1`, ..."""
    if given is None:
        return tuple(f"exit_{index}" for index in range(count))
    if len(given) != count or len(set(given)) < count:
        problem = f"returns {count} tensors, but --exits has {len(given)} names: {', '.join(given)}"
        raise IngestError(where, problem, "Give one name for each tensor, all different")
    return given


def check_logits(outputs: object, *, where: str, fold: int = 1) -> tuple[Tensor, ...]:
    """Check what `forward` returned for an example of 3 rows.

    Raises:
        IngestError: something else than float tensors `[batch, classes]` or `[batch, classes, height, width]`, of a
            folded network `[batch, fold, classes]`, one for each exit.
    """
    remedy = "Let forward return the logits of every exit as a tuple, shallow to deep"
    several = tuple(outputs) if isinstance(outputs, tuple | list) else (outputs,)
    tensors = tuple(output for output in several if isinstance(output, Tensor))
    if not several or len(tensors) < len(several):
        got = ", ".join(type(output).__name__ for output in several) or "nothing"
        raise IngestError(where, f"forward returned {got}, expected tensors", remedy)
    for index, tensor in enumerate(tensors):
        if not _are_logits(tensor, fold):
            got = f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)} for {EXAMPLE_BATCH} samples"
            expected = f"[{EXAMPLE_BATCH}, classes] or [{EXAMPLE_BATCH}, classes, height, width]"
            if fold > 1:
                got = f"{got.removesuffix('samples')}groups"
                expected = f"[{EXAMPLE_BATCH}, {fold}, classes]"
            problem = f"exit {index} is {got}, expected float32 {expected}"
            raise IngestError(where, problem, remedy)
    return tensors


def _are_logits(tensor: Tensor, fold: int) -> bool:
    """Whether an exit of 3 rows has the shape and the kind of numbers of logits."""
    rows, ranks = ((EXAMPLE_BATCH,), LOGIT_RANKS) if fold == 1 else ((EXAMPLE_BATCH, fold), (FOLDED_RANK,))
    return tensor.ndim in ranks and tensor.shape[: len(rows)] == rows and tensor.is_floating_point()


def make_reference(module: "nn.Module", inputs: Sequence[str], picked: Sequence[int]) -> Reference:
    """Return a function that runs the module on network inputs.

    Args:
        module: what is run; kept alive by the function.
        inputs: names of its arguments, in order.
        picked: which of its outputs are exits, in order.
    """

    def reference(arrays: Mapping[str, Array]) -> list[Array]:
        with torch.no_grad():
            outputs = module(*(torch.from_numpy(arrays[name]) for name in inputs))
        several = outputs if isinstance(outputs, tuple | list) else (outputs,)
        return [several[index].float().numpy() for index in picked]

    return reference
