"""Which modules `--at auto` taps."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import nn
from torch.autograd.graph import Node

from eecompile.attach.tap_problem import feature, tap_problem
from eecompile.attach.watch import Watched

__all__ = ["automatic_taps"]

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def automatic_taps(watched: Watched) -> tuple[str, ...]:
    """Return the names of the taps of a trunk, in the order in which they run.

    A trunk that has `tap_names`, as the zoo's have, says it itself. In any other the structure does:

    1. A *chain* is a `Sequential`, `ModuleList` or `ModuleDict` whose members run once each, in order, each on what the
       one before it made, or on what a single path of operations makes of that. Members that do not run are left out.
    2. A *block* is a member of a chain that holds two layers with weights or more: a residual or dense block, a stage,
       an encoder layer. Where blocks lie within blocks, those inside are the taps.
    3. A trunk with fewer than two such blocks is tapped after each *group* of a chain: a member with one layer with
       weights, and the members without weights behind it that keep its shape (normalisation, activation); and after
       each pooling.

    Only modules that give a map or tokens are taps: `[batch, channels, height, width]` or `[batch, tokens, width]`.
    """
    stated = getattr(watched.trunk, "tap_names", None)
    if stated is not None:
        return tuple(stated)
    blocks = _innermost([name for chain in _chains(watched) for name in chain if _is_block(watched, name)])
    groups = _groups(watched) if len(blocks) < 2 else []
    names = groups if len(groups) > len(blocks) else blocks
    return tuple(sorted(names, key=lambda name: watched.calls[name][0].order))


def _chains(watched: Watched) -> Iterator[list[str]]:
    """The members of every chain that run, outer chains first."""
    for name, module in watched.trunk.named_modules():
        if isinstance(module, CONTAINERS):
            prefix = f"{name}." if name else ""
            members = [
                f"{prefix}{child}" for child, _ in module.named_children() if f"{prefix}{child}" in watched.calls
            ]
            if members and _is_chain(watched, members):
                yield members


def _is_chain(watched: Watched, members: Sequence[str]) -> bool:
    calls = [watched.call(name) for name in members]
    known = [call for call in calls if call is not None]
    return len(known) == len(calls) and all(
        before.order < after.order
        and after.first is not None
        and (after.first is before.made or _is_made_from(after.first.grad_fn, before.history))
        for before, after in pairwise(known)
    )


def _is_made_from(history: Node | None, source: Node | None) -> bool:
    """Whether a single path of operations leads from what `source` made to what `history` made."""
    while history is not None and source is not None:
        if history is source:
            return True
        inputs = [node for node, _ in history.next_functions if node is not None and node.name() != _WEIGHT]
        history = inputs[0] if len(inputs) == 1 else None
    return False


_WEIGHT = "torch::autograd::AccumulateGrad"


def _is_block(watched: Watched, name: str) -> bool:
    return _weighted(watched, name) >= 2 and _is_feature(watched, name)


def _is_feature(watched: Watched, name: str) -> bool:
    return tap_problem(watched, name) is None and feature(watched, name).ndim > 2


def _weighted(watched: Watched, name: str) -> int:
    """How many layers inside a module, or it itself, have weights of two axes or more: not norms."""
    modules = watched.trunk.get_submodule(name).modules()
    return sum(any(weight.ndim > 1 for weight in module.parameters(recurse=False)) for module in modules)


def _innermost(names: Sequence[str]) -> list[str]:
    return [name for name in names if not any(other.startswith(f"{name}.") for other in names)]


def _groups(watched: Watched) -> list[str]:
    """The last member of each group; chains inside a group are not looked at."""
    ends: list[str] = []
    grouped: list[str] = []
    for members in _chains(watched):
        if not any(members[0].startswith(f"{name}.") for name in grouped):
            grouped.extend(name for name in members if _weighted(watched, name) == 1)
            ends.extend(_ends(watched, members))
    return ends


def _ends(watched: Watched, members: Sequence[str]) -> list[str]:
    """Of each group of one chain the last member that gives a feature, and what gives one of another shape."""
    ends: list[str | None] = []
    for name in members:
        weighted = _weighted(watched, name)
        if weighted:
            ends.append(None)
        if weighted < 2 and ends and _is_feature(watched, name):
            before = ends[-1]
            if before is not None and feature(watched, before).shape != feature(watched, name).shape:
                ends.append(name)
            ends[-1] = name
    return [name for name in ends if name is not None]
