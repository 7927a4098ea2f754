"""Find what goes from the trunk of a segment into its head: few values, each as small as it is anywhere."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from eecompile.split.extract import BATCH, size_operations
from eengines.errors import BuildError

__all__ = ["Entrance", "find_entrances", "reads_batch"]


@dataclass(frozen=True, kw_only=True)
class Entrance:
    """A value that goes from trunk to head.

    Attributes:
        value: its name in the segment.
        given: name of the output of the trunk that the head takes.
        back: order of axes of the Transpose that makes `value` of `given` in the head; None: they are the same.
    """

    value: str
    given: str
    back: tuple[int, ...] | None = None


def find_entrances(
    model: ir.Model, exit_index: int, *, trunk: Collection[ir.Value], head: Collection[ir.Value]
) -> tuple[Entrance, ...]:
    """Return where to cut between what `trunk` needs and what only `head` needs.

    Nodes that widen or turn a value (DequantizeLinear, Cast, Transpose) at the entrance of the head run in both, so
    that the narrow tensor goes between them, which the boundary often has already; so do nodes that compute sizes.

    Args:
        model: a segment.
        exit_index: of its exit.
        trunk: outputs that the trunk makes.
        head: outputs that the head makes.

    Raises:
        BuildError: a value at the cut has no known type, or not the batch in front.
    """
    cut = _Cut(model, trunk).of(head)
    return tuple(_entrance(value, exit_index, trunk) for value in cut)


def reads_batch(node: ir.Node) -> bool:
    """Whether a node takes the batch size from a value that has the batch in front: any such value would do."""
    value = node.inputs[0] if node.op_type == "Shape" else None
    only = node.attributes.get_int("start", 0) == 0 and node.attributes.get_int("end", 0) == 1
    return value is not None and only and _is_per_sample(value)


def _is_per_sample(value: ir.Value) -> bool:
    """Whether a value is known to have the batch in front."""
    first = None if value.shape is None or not value.shape.dims else value.shape[0]
    return isinstance(first, ir.SymbolicDim) and first.value == BATCH


class _Cut:
    """Walks from the outputs of the head to what the trunk makes."""

    def __init__(self, model: ir.Model, trunk: Collection[ir.Value]) -> None:
        self._sizes = size_operations(model)
        self._trunk: Collection[ir.Node | None] = _ancestors(trunk)
        self._at_hand = {*trunk, *model.graph.inputs}
        for value in trunk:
            node = value.producer()
            if node is not None and node.op_type == "Transpose" and node.inputs[0] is not None:
                self._at_hand.add(node.inputs[0])

    def of(self, head: Collection[ir.Value]) -> list[ir.Value]:
        """The values that the head takes from the trunk."""
        found, seen, waiting = dict[ir.Value, None](), set[ir.Value](), list(head)
        while waiting:
            value = waiting.pop()
            node = value.producer()
            if value in seen or node is None:
                continue
            seen.add(value)
            if node in self._trunk and not self._runs_twice(node):
                found[value] = None
            else:
                given = [each for each in node.inputs if each is not None]
                waiting += [each for each in given if not (reads_batch(node) and each.producer() in self._trunk)]
        return list(found)

    def _runs_twice(self, node: ir.Node) -> bool:
        """Whether a node of the trunk runs in the head, too, because the head then takes less."""
        if node.name in self._sizes:
            return True
        source, made = node.inputs[0] if node.inputs else None, node.outputs[0]
        if source is None or made in self._at_hand:
            return False
        if node.op_type == "Transpose":
            maker = source.producer()
            return source in self._at_hand or (maker is not None and self._runs_twice(maker))
        return node.op_type in ("Cast", "DequantizeLinear") and (source in self._at_hand or _is_wider(made, source))


def _is_wider(made: ir.Value, source: ir.Value) -> bool:
    """Whether an element of `made` takes more bytes than one of `source`."""
    return made.dtype is not None and source.dtype is not None and made.dtype.itemsize > source.dtype.itemsize


def _ancestors(values: Collection[ir.Value]) -> set[ir.Node]:
    """The nodes that make values, and all that they need."""
    found, waiting = set[ir.Node](), list(values)
    while waiting:
        node = waiting.pop().producer()
        if node is not None and node not in found:
            found.add(node)
            waiting += [value for value in node.inputs if value is not None]
    return found


def _entrance(value: ir.Value, exit_index: int, trunk: Collection[ir.Value]) -> Entrance:
    """Take a value from what the boundary has, if it has it; else as a further output."""
    name = str(value.name)
    if value.dtype is None or not _is_per_sample(value):
        raise BuildError(
            f"exit {exit_index}, value '{name}'",
            f"got {value.dtype} {value.shape} between trunk and head, expected a known type with the batch in front",
            "Keep the heads in their segments",
        )
    if value in trunk:
        return Entrance(value=name, given=name)
    for node in value.consumers():
        if node.op_type == "Transpose" and node.outputs[0] in trunk:
            turned: Sequence[int] = node.attributes.get_ints("perm", [])
            if turned:
                back = tuple(turned.index(axis) for axis in range(len(turned)))
                return Entrance(value=name, given=str(node.outputs[0].name), back=back)
    return Entrance(value=name, given=f"head_{exit_index}/{name}")
