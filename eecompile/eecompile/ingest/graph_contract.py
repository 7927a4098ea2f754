"""What the rest of the compiler can rely on: batch first and symbolic, exits as `[batch, classes]` float32 outputs."""

from collections.abc import Sequence

import onnx_ir as ir

from eecompile.ingest.optimise import optimise
from eengines.errors import IngestError

__all__ = ["BATCH", "finish_graph", "network_inputs", "pick_exits"]

BATCH = "batch"
"""The name of the symbolic batch dimension."""

_BATCH_REMEDY = "Export it with a dynamic batch axis: dynamic_shapes=({0: Dim('batch')},) with an example of 2 rows"


def pick_exits(known: tuple[str, ...], wanted: tuple[str, ...] | None, *, where: str) -> tuple[str, ...]:
    """Return the exits to keep, in their order: those wanted, or all.

    Raises:
        IngestError: an exit that the model does not have, or one that is named twice.
    """
    if wanted is None:
        return known
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted or len(set(wanted)) < len(wanted):
        problem = f"got --exits {','.join(wanted)}, the model has {', '.join(known)}"
        raise IngestError(where, problem, "Name each exit once, shallow to deep")
    return wanted


def finish_graph(model: ir.Model, *, exits: Sequence[str], where: str) -> None:
    """Keep the exits as the only outputs, name the batch dimension, optimise, and check what came of it. In place.

    Raises:
        IngestError: an input without a symbolic batch axis, or an exit that is not `[batch, classes]` float32.
    """
    graph = model.graph
    outputs = {str(value.name): value for value in graph.outputs}
    graph.outputs[:] = [outputs[name] for name in exits]
    initializers = set(graph.initializers)
    _name_batch(model, [value for value in graph.inputs if value.name not in initializers], where=where)
    optimise(model)
    for index, name in enumerate(exits):
        _check_exit(graph.outputs[index], name, where=where)
    widths = {name: value.shape[1] for name, value in zip(exits, graph.outputs, strict=True) if value.shape}
    if len(set(widths.values())) > 1:
        listed = ", ".join(f"{name}: {width}" for name, width in widths.items())
        raise IngestError(where, f"exits have different numbers of classes: {listed}", "Choose outputs with --exits")


def network_inputs(model: ir.Model) -> list[tuple[str, tuple[int, ...], str]]:
    """Return name, shape of one sample and numpy dtype of every input of a finished graph."""
    found = []
    for value in model.graph.inputs:
        shape = () if value.shape is None else tuple(int(size) for size in value.shape[1:] if isinstance(size, int))
        dtype = "" if value.dtype is None else value.dtype.numpy().name
        found.append((str(value.name), shape, dtype))
    return found


def _name_batch(model: ir.Model, inputs: Sequence[ir.Value], *, where: str) -> None:
    if not inputs:
        raise IngestError(where, "has no inputs", "Give a network that takes samples")
    aliases = set()
    for value in inputs:
        sizes = [] if value.shape is None else list(value.shape)
        shown = f"input '{value.name}' has shape [{', '.join(map(str, sizes))}]"
        if not sizes or isinstance(sizes[0], int):
            raise IngestError(where, f"{shown}, expected a symbolic batch axis in front", _BATCH_REMEDY)
        if not all(isinstance(size, int) for size in sizes[1:]):
            raise IngestError(where, f"{shown}, expected fixed sizes after the batch", "Export it with fixed sizes")
        if value.dtype is None or value.dtype in {ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.DOUBLE}:
            problem = f"input '{value.name}' is {value.dtype}, expected float32 or integers"
            raise IngestError(where, problem, "Export the network in float32; precision is chosen when building")
        aliases.add(sizes[0].value)
        value.shape = ir.Shape([BATCH, *sizes[1:]])
    aliases.discard(None)
    for node in model.graph.all_nodes():
        for value in node.outputs:
            if value.shape is not None:
                value.shape = ir.Shape([BATCH if _is_named(size, aliases) else size for size in value.shape])


def _is_named(size: int | ir.SymbolicDim, names: set[str | None]) -> bool:
    return isinstance(size, ir.SymbolicDim) and size.value in names


def _check_exit(value: ir.Value, name: str, *, where: str) -> None:
    """Check one output; a batch dimension that shape inference could not name is named here."""
    sizes = None if value.shape is None else list(value.shape)
    shown = "of unknown shape" if sizes is None else f"[{', '.join(map(str, sizes))}]"
    got = f"exit '{name}' is {value.dtype or 'of unknown type'} {shown}"
    if value.name != name or value.producer() is None:
        raise IngestError(where, f"exit '{name}' is not computed from the input", "Choose other outputs with --exits")
    if sizes is None or len(sizes) != 2 or not isinstance(sizes[1], int):
        problem = f"{got}, expected [batch, classes] with a fixed number of classes"
        raise IngestError(where, problem, "Let every exit give one row of logits a sample, or choose with --exits")
    if value.dtype != ir.DataType.FLOAT:
        raise IngestError(where, f"{got}, expected float32 logits", "Choose outputs with --exits, before any argmax")
    first = sizes[0]
    if isinstance(first, int) or not (first.value is None or first.value.isidentifier()):
        raise IngestError(where, f"{got}, expected one row for each sample of the batch", _BATCH_REMEDY)
    value.shape = ir.Shape([BATCH, sizes[1]])
