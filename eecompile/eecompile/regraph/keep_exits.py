"""Drop exits from a chain: segments that ended in them merge with the next."""

from collections.abc import Sequence

import onnx_ir as ir

from eecompile.build.lower_graphs import serialize
from eecompile.regraph.exit_names import ExitNames
from eecompile.regraph.merge import merge_models
from eecompile.regraph.prune import prune
from eecompile.regraph.strip import strip_models
from eengines.errors import UserError

__all__ = ["keep_exits"]


def keep_exits(
    segments: Sequence[bytes], names: Sequence[ExitNames], kept: Sequence[int]
) -> tuple[tuple[bytes, ...], tuple[ExitNames, ...]]:
    """Return a chain with some of the exits, without scores, and the names that its exits have after `rescore`.

    Args:
        segments: all segments of a chain, shallow to deep, heads inside.
        names: of the exit at the end of each.
        kept: numbers of the exits that stay, ascending; the last one is among them.

    Raises:
        UserError: such exits cannot be kept.
        BuildError: a segment does not have the logits that `names` says.
    """
    last = len(segments) - 1
    if list(kept) != sorted(set(kept)) or not kept or kept[0] < 0 or kept[-1] != last:
        raise UserError(
            "exits to keep",
            f"got {list(kept)} of exits 0 to {last}, expected them ascending, the last one among them",
            "The final exit answers whoever is left",
        )
    models = strip_models(segments, names)
    merged = [_merged(models, *bounds) for bounds in zip((-1, *kept), kept, strict=False)]
    _drop_unread(merged, [names[exit_].logits for exit_ in kept])
    for index, (model, exit_) in enumerate(zip(merged, kept, strict=True)):
        _label(model, index, len(kept), names[exit_].logits)
    return (
        tuple(serialize(model, index) for index, model in enumerate(merged)),
        tuple(ExitNames(logits=names[exit_].logits, score=f"score_{index}") for index, exit_ in enumerate(kept)),
    )


def _merged(models: Sequence[ir.Model], before: int, end: int) -> ir.Model:
    """One model of the segments behind exit `before` up to exit `end`."""
    result = models[before + 1]
    for index in range(before + 2, end + 1):
        later = {str(value.name) for model in models[index + 1 :] for value in model.graph.inputs}
        result = merge_models(result, models[index], still_read=later)
    return result


def _drop_unread(models: Sequence[ir.Model], logits: Sequence[str]) -> None:
    """Take out outputs that only dropped heads read."""
    read: set[str | None] = set()
    for model, own in zip(reversed(models), reversed(logits), strict=True):
        graph = model.graph
        for value in [value for value in graph.outputs if value.name != own and value.name not in read]:
            graph.outputs.remove(value)
        prune(graph)
        read |= {value.name for value in graph.inputs}


def _label(model: ir.Model, index: int, count: int, logits: str) -> None:
    """Say in the file what it is, as a build does."""
    model.graph.name = f"segment_{index}"
    model.metadata_props["io.ee.segment"] = f"{index + 1}/{count}"
    model.metadata_props["io.ee.exit"] = logits
