"""Refuse exits that cannot be the exits of a chain."""

from collections.abc import Sequence
from itertools import combinations

from eecompile.split.plan import DataFlow, ancestors
from eengines.errors import SplitError

__all__ = ["check_exits"]


def check_exits(flow: DataFlow, names: Sequence[str]) -> None:
    """Check that exits are distinct, reachable, and that none depends on a later one.

    Args:
        flow: the graph; `flow.exits` are the tensors.
        names: the exits' names, for messages.

    Raises:
        SplitError: with the exit and the reason.
    """
    _check_distinct(flow, names)
    made = {value for operation in flow.operations for value in operation.outputs}
    needs = [ancestors(flow, value) for value in flow.exits]
    for name, value, operations in zip(names, flow.exits, needs, strict=True):
        reads = {i for o in flow.operations if o.name in operations for i in o.inputs}
        if value not in made or not reads.intersection(flow.inputs):
            raise SplitError(
                f"exit {name!r}", f"tensor {value!r} does not depend on any input of the network", "Remove this exit"
            )
    for early, late in combinations(range(len(names)), 2):
        maker = next(o.name for o in flow.operations if flow.exits[late] in o.outputs)
        if maker in needs[early]:
            raise SplitError(
                f"exit {names[early]!r}",
                f"it depends on exit {names[late]!r}, which is listed after it",
                "List the exits from shallow to deep (--exits)",
            )


def _check_distinct(flow: DataFlow, names: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for name, value in zip(names, flow.exits, strict=True):
        if value in seen:
            raise SplitError(
                f"exit {name!r}", f"it is the same tensor {value!r} as exit {seen[value]!r}", "Remove one of them"
            )
        seen[value] = name
