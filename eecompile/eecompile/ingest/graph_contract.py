"""What the rest of the compiler can rely on: batch first and symbolic, exits as float32 outputs of one shape.

Exits are `[batch, classes]`, or `[batch, classes, height, width]` where every pixel has an answer. Those of a folded
network, whose rows are groups of images, are `[batch, fold, classes]`.
"""

from collections.abc import Mapping, Sequence

import onnx_ir as ir

from eecompile.ingest.optimise import optimise
from eecompile.ingest.sequence_axis import find_sequence
from eengines.errors import IngestError
from eerun.bundle import LENGTH

__all__ = ["BATCH", "check_task", "finish_graph", "network_inputs", "pick_exits", "task_of"]

BATCH = "batch"
"""The name of the symbolic batch dimension."""

ROW_RANK, FOLDED_RANK, MAP_RANK = 2, 3, 4
"""Axes of logits `[batch, classes]`, of `[batch, fold, classes]`, and of `[batch, classes, height, width]`."""

CLASSIFICATION = "classification"

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


def finish_graph(model: ir.Model, *, exits: Sequence[str], where: str, sequence: bool = False, fold: int = 1) -> None:
    """Keep the exits as the only outputs, name the batch dimension, optimise, and check what came of it. In place.

    Args:
        model: the graph.
        exits: names of outputs.
        where: the model file, for messages.
        sequence: whether inputs may have a second symbolic dimension, one for all, which is named, too.
        fold: images a row; 1: the network is not folded.

    Raises:
        IngestError: an input without a symbolic batch axis, an exit that is not `[batch, classes]` or `[batch, classes,
            height, width]` float32, of a folded network `[batch, fold, classes]`, or exits of different shapes.
    """
    graph = model.graph
    outputs = {str(value.name): value for value in graph.outputs}
    graph.outputs[:] = [outputs[name] for name in exits]
    initializers = set(graph.initializers)
    inputs = [value for value in graph.inputs if value.name not in initializers]
    length = find_sequence(inputs, allowed=sequence, where=where)
    _name_axes(model, inputs, {length} if sequence else set(), where=where)
    optimise(model)
    for index, name in enumerate(exits):
        _check_exit(graph.outputs[index], name, where=where, fold=fold)
    _check_alike(graph.outputs, exits, where=where)


def task_of(model: ir.Model) -> str:
    """Return what the exits of a finished graph answer: `classification`, or `segmentation` for one class a pixel."""
    return (
        "segmentation" if any(len(value.shape or ()) == MAP_RANK for value in model.graph.outputs) else CLASSIFICATION
    )


def check_task(model: ir.Model, task: str, *, where: str) -> str:
    """Return the task that a model file names, after comparing it with the exits of the finished graph.

    Raises:
        IngestError: they do not fit together.
    """
    found = task_of(model)
    if task != found:
        got = model.graph.outputs[0].shape
        problem = f"names the task '{task}', but its exits are {got}, which is {found}"
        raise IngestError(where, problem, f"Name the task '{found}', or give other exits")
    return task


def network_inputs(model: ir.Model, sequence_max: int | None = None) -> list[tuple[str, tuple[int, ...], str]]:
    """Return name, shape of one sample (at its greatest length) and numpy dtype of every input of a finished graph."""
    found = []
    for value in model.graph.inputs:
        shape = () if value.shape is None else tuple(_size(n, sequence_max) for n in value.shape[1:])
        dtype = "" if value.dtype is None else value.dtype.numpy().name
        found.append((str(value.name), shape, dtype))
    return found


def _size(size: int | ir.SymbolicDim, sequence_max: int | None) -> int:
    """The number for a symbolic size is the greatest length; `finish_graph` lets no other in."""
    if isinstance(size, int):
        return size
    assert sequence_max is not None  # noqa: S101 - as above
    return sequence_max


def _name_axes(model: ir.Model, inputs: Sequence[ir.Value], lengths: set[str | None], *, where: str) -> None:
    """Name batch and sequence axis everywhere; `lengths` are the graph's own names of the latter."""
    if not inputs:
        raise IngestError(where, "has no inputs", "Give a network that takes samples")
    aliases = set()
    for value in inputs:
        sizes = [] if value.shape is None else list(value.shape)
        shown = f"input '{value.name}' has shape [{', '.join(map(str, sizes))}]"
        if not sizes or isinstance(sizes[0], int):
            raise IngestError(where, f"{shown}, expected a symbolic batch axis in front", _BATCH_REMEDY)
        if value.dtype is None or value.dtype in {ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.DOUBLE}:
            problem = f"input '{value.name}' is {value.dtype}, expected float32 or integers"
            raise IngestError(where, problem, "Export the network in float32; precision is chosen when building")
        aliases.add(sizes[0].value)
        value.shape = ir.Shape([BATCH, *(size if isinstance(size, int) else LENGTH for size in sizes[1:])])
    if aliases & lengths:
        problem = f"inputs have one symbolic axis '{next(iter(lengths))}' for batch and sequence"
        raise IngestError(where, problem, "Export it with two Dims")
    names = {**dict.fromkeys(lengths, LENGTH), **dict.fromkeys(aliases, BATCH)}
    names.pop(None, None)
    for node in model.graph.all_nodes():
        for value in node.outputs:
            if value.shape is not None:
                value.shape = ir.Shape([_named(size, names) for size in value.shape])


def _named(size: int | ir.SymbolicDim, names: Mapping[str | None, str]) -> int | str | ir.SymbolicDim:
    return names.get(size.value, size) if isinstance(size, ir.SymbolicDim) else size


def _check_exit(value: ir.Value, name: str, *, where: str, fold: int) -> None:
    """Check one output; a batch dimension that shape inference could not name is named here."""
    sizes = None if value.shape is None else list(value.shape)
    shown = "of unknown shape" if sizes is None else f"[{', '.join(map(str, sizes))}]"
    got = f"exit '{name}' is {value.dtype or 'of unknown type'} {shown}"
    if value.name != name or value.producer() is None:
        raise IngestError(where, f"exit '{name}' is not computed from the input", "Choose other outputs with --exits")
    ranks = (ROW_RANK, MAP_RANK) if fold == 1 else (FOLDED_RANK,)
    if sizes is None or len(sizes) not in ranks or not all(isinstance(size, int) for size in sizes[1:]):
        wanted = "[batch, classes] or [batch, classes, height, width]" if fold == 1 else f"[batch, {fold}, classes]"
        problem = f"{got}, expected {wanted} with fixed sizes"
        remedy = "Let every exit give one row of logits a sample, or one a pixel, or choose with --exits"
        raise IngestError(where, problem, remedy)
    if value.dtype != ir.DataType.FLOAT:
        raise IngestError(where, f"{got}, expected float32 logits", "Choose outputs with --exits, before any argmax")
    first = sizes[0]
    if isinstance(first, int) or not (first.value is None or first.value.isidentifier()):
        raise IngestError(where, f"{got}, expected one row for each sample of the batch", _BATCH_REMEDY)
    value.shape = ir.Shape([BATCH, *sizes[1:]])


def _check_alike(outputs: Sequence[ir.Value], exits: Sequence[str], *, where: str) -> None:
    """All exits answer with one shape."""
    shapes = {name: tuple(value.shape)[1:] for name, value in zip(exits, outputs, strict=True) if value.shape}
    if len(set(shapes.values())) < 2:
        return
    rows = all(len(shape) == ROW_RANK - 1 for shape in shapes.values())
    what = "numbers of classes" if rows else "shapes"
    listed = ", ".join(f"{name}: {shape[0] if rows else list(shape)}" for name, shape in shapes.items())
    raise IngestError(where, f"exits have different {what}: {listed}", "Choose outputs with --exits")
