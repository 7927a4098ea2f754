"""Append the score of an exit to the segment that ends in this exit."""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from eecompile.lower.graph_ops import IrGraphOps
from eecompile.lower.image_rows import ImageRows
from eecompile.lower.own_logits import own_logits_name
from eengines.errors import BuildError
from eengines.tensors import TensorSpec
from eerun.policies.base import ExitPolicy

__all__ = ["ExitScore", "add_exit_score"]

BATCH = "batch"
"""Name of the symbolic batch dimension."""

CLASS_ROW, FOLDED_ROW, CLASS_MAP = 2, 3, 4
"""Axes of logits `[batch, classes]`, of `[batch, images, classes]`, and of `[batch, classes, height, width]`."""

FLOAT_TYPES = frozenset({ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.DOUBLE})


@dataclass(frozen=True, kw_only=True)
class ExitScore:
    """Names of what an exit's score added to the graph of its segment.

    Attributes:
        score: the graph output `[batch] float32`; of a folded network `[batch, images]`.
        state_in: the new graph inputs, in the order of `policy.state`, without those that the policy does not read
            here; none at the first exit.
        state_out: the new graph outputs, in the same order; none at the last exit. Each may be a `state_in` of the
            next.
        own_logits: name of the head's own logits, if the exit answers with the state; None: it answers with them.
    """

    score: str
    state_in: tuple[str, ...]
    state_out: tuple[str, ...]
    own_logits: str | None = None


def add_exit_score(graph: ir.Graph, *, logits: ir.Value, policy: ExitPolicy, exit_index: int, last: bool) -> ExitScore:
    """Append the score of exit `exit_index` = k to its segment, in float32 whatever the logits are.

    Adds the output `score_<k>`, for k > 0 the inputs `state_<k-1>_<name>`, and unless `last` the outputs
    `state_<k>_<name>`. All other new names start with `score_<k>/`, so that a later pass can tell the nodes that must
    stay float32.

    The logits themselves are not changed, unless the policy answers with its state and this is not the last exit: then
    the graph output that is called like the logits becomes the state `[batch, classes] float32`, in the same place,
    and the head's own logits are called `own_logits_name(k)`. See `read_own_logits` for segments that read them.

    A row of a folded network is a group of images, each with a score of its own: score and state have the images as
    their axis 1.

    Args:
        graph: the segment; changed in place.
        logits: `[batch, classes]`, `[batch, images, classes]` or `[batch, classes, height, width]` of any float type, a
            value of this graph with known dtype and sizes; an output that a node makes, if the policy answers with its
            state.
        policy: what to score with.
        exit_index: 0 for the first exit.
        last: whether this is the final exit, which hands no state on.

    Raises:
        BuildError: the logits or the exit index cannot be scored, the opset is older than 18, a name is taken, or the
            policy's nodes are not what it declares. The graph may then be half changed and must be thrown away.
    """
    where = f"exit {exit_index}, logits '{logits.name}'"
    _check(graph, logits, exit_index, where)
    _check_policy(policy, logits, where)
    if not last:
        _check_answer(policy, logits, where)
    ops = IrGraphOps(graph, prefix=f"score_{exit_index}")
    fold, sample = _sample(logits)
    images = ImageRows(ops, fold)
    given = () if exit_index == 0 else _add_state_inputs(ops, images, policy, exit_index)
    apart = tuple(images.apart(value, spec.shape) for value, spec in zip(given, policy.state, strict=bool(given)))
    scored = logits
    if logits.dtype is not ir.DataType.FLOAT:
        scored = ops.op("Cast", logits, to=int(ir.DataType.FLOAT))
    scored = images.apart(scored, sample)
    score, state = policy.lower(ops, scored, None if exit_index == 0 else apart, exit_index=exit_index)
    score = images.together(score, ())
    score = ops.graph_output(score, f"score_{exit_index}", dtype=ir.DataType.FLOAT, shape=(BATCH, *images.axes))
    state_out = () if last else _add_state_outputs(ops, images, policy, state, exit_index)
    own_logits = None
    if policy.answers_with is not None and not last:
        own_logits = own_logits_name(exit_index)
        ops.replace_output(logits, images.together(policy.answer(scored, state), sample), aside=own_logits)
    for value in apart:
        images.forget(graph, value)
    return ExitScore(
        score=str(score.name),
        state_in=_drop_unread(graph, given),
        state_out=state_out,
        own_logits=own_logits,
    )


def _sample(logits: ir.Value) -> tuple[int | None, tuple[int, ...]]:
    """Images a row, None where a row is one sample, and the shape of one sample's logits."""
    sizes = tuple(size for size in (logits.shape or ())[1:] if isinstance(size, int))
    return (sizes[0], sizes[1:]) if len(sizes) == FOLDED_ROW - 1 else (None, sizes)


def _add_state_inputs(ops: IrGraphOps, images: ImageRows, policy: ExitPolicy, exit_index: int) -> tuple[ir.Value, ...]:
    """Add the graph inputs of the state, in the order of `policy.state`."""
    return tuple(
        ops.graph_input(
            f"state_{exit_index - 1}_{spec.name}", dtype=_dtype(spec), shape=(BATCH, *images.axes, *spec.shape)
        )
        for spec in policy.state
    )


def _drop_unread(graph: ir.Graph, inputs: tuple[ir.Value, ...]) -> tuple[str, ...]:
    """Remove graph inputs that no node reads, which some engines drop unasked; return the names of the others."""
    for value in inputs:
        if not value.uses():
            graph.inputs.remove(value)
    return tuple(str(value.name) for value in inputs if value.uses())


def _add_state_outputs(
    ops: IrGraphOps, images: ImageRows, policy: ExitPolicy, state: tuple[ir.Value, ...], exit_index: int
) -> tuple[str, ...]:
    """Make the new state graph outputs; return their names in the order of `policy.state`."""
    if len(state) != len(policy.state):
        raise BuildError(
            f"exit {exit_index}, policy {policy.name}",
            f"lower() returned {len(state)} state values, expected {len(policy.state)}",
            "Correct the lower() of the policy",
        )
    names = tuple(f"state_{exit_index}_{spec.name}" for spec in policy.state)
    for spec, name, value in zip(policy.state, names, state, strict=True):
        shape: tuple[int | str, ...] = (BATCH, *images.axes, *spec.shape)
        ops.graph_output(images.together(value, spec.shape), name, dtype=_dtype(spec), shape=shape)
    return names


def _check(graph: ir.Graph, logits: ir.Value, exit_index: int, where: str) -> None:
    """Refuse logits that no policy can score, saying which rule they break."""
    if exit_index < 0:
        raise BuildError(where, "got a negative exit index, expected 0 for the first exit", "Count the exits from 0")
    if logits.graph is not graph:
        raise BuildError(
            where, f"they are no value of graph '{graph.name}'", "Pass the logits of the segment that gets the score"
        )
    if logits.dtype not in FLOAT_TYPES:
        raise BuildError(
            where, f"got dtype {logits.dtype}, expected a float type", "Run shape inference, or name the right output"
        )
    if logits.shape is None or len(logits.shape) not in (CLASS_ROW, FOLDED_ROW, CLASS_MAP):
        raise BuildError(
            where,
            f"got shape {logits.shape}, expected [batch, classes], of a folded network [batch, images, classes], or "
            "[batch, classes, height, width]",
            "Reduce each exit to one vector a sample, or to one a pixel",
        )
    batch, *sizes = logits.shape.dims
    images = sizes[:1] if len(logits.shape) == FOLDED_ROW else []
    classes, *pixels = sizes[len(images) :]
    if isinstance(batch, int):
        raise BuildError(
            where, f"got the fixed batch size {batch}, expected a symbolic one", "Export with a dynamic batch axis"
        )
    if not isinstance(classes, int) or classes < 2:
        raise BuildError(
            where,
            f"got {classes} classes, expected a known number of at least 2",
            "Give each exit a fixed number of classes, one logit for each; one class leaves nothing to decide",
        )

    if not all(isinstance(size, int) for size in pixels):
        raise BuildError(where, f"got shape {logits.shape}, expected a fixed height and width", "Export fixed sizes")
    if not all(isinstance(size, int) for size in images):
        raise BuildError(
            where, f"got shape {logits.shape}, expected a fixed number of images a row", "Export fixed sizes"
        )


def _check_policy(policy: ExitPolicy, logits: ir.Value, where: str) -> None:
    """Refuse a policy for one answer a sample where there is one a pixel, and the reverse."""
    is_map = logits.shape is not None and len(logits.shape) == CLASS_MAP
    if is_map and not policy.for_maps:
        raise BuildError(
            where,
            f"policy {policy.name} compares one class a sample, got logits {logits.shape}, one class a pixel",
            "Choose --policy max-probability, margin or entropy",
        )
    if not is_map and not policy.for_rows:
        raise BuildError(
            where,
            f"policy {policy.name} counts the pixels of a map, got logits {logits.shape}, one class a sample",
            "Choose another --policy",
        )


def _check_answer(policy: ExitPolicy, logits: ir.Value, where: str) -> None:
    """Refuse logits that what the policy answers with cannot stand for."""
    if policy.answers_with is None:
        return
    if not logits.is_graph_output() or logits.producer() is None:
        raise BuildError(
            where,
            f"policy {policy.name} answers in their place, expected an output of the graph that a node makes",
            "Name the right output",
        )
    answer = policy.answer((), policy.state).shape
    if _sample(logits)[1] != answer:
        raise BuildError(
            where,
            f"got shape {logits.shape}, policy {policy.name} answers with {['batch', *answer]}",
            "Use the policy with the network that it was fitted to, or run `eecompile tune` again",
        )


def _dtype(spec: TensorSpec) -> ir.DataType:
    """Return the ONNX element type of a state tensor."""
    return ir.DataType.from_numpy(np.dtype(spec.dtype))
