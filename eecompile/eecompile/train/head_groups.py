"""Which heads have weights in common, and hence learn as one."""

from collections.abc import Sequence

from torch import nn

__all__ = ["head_groups"]


def head_groups(heads: Sequence[nn.Module]) -> list[list[int]]:
    """Return the indices of `heads` in groups: two heads that use the same weight, such as a codebook, are in one.

    Groups are in the order of their first head; every head is in exactly one.
    """
    groups: list[tuple[list[int], set[int]]] = []
    for index, head in enumerate(heads):
        members, weights = [index], {id(parameter) for parameter in head.parameters()}
        apart = []
        for group in groups:
            if group[1].isdisjoint(weights):
                apart.append(group)
            else:
                members, weights = [*group[0], *members], group[1] | weights
        groups = sorted([*apart, (sorted(members), weights)], key=lambda group: group[0][0])
    return [members for members, _ in groups]
