"""A copy of the trunk's own head, with its weights, behind a feature that has the shape of the trunk's last one."""

import copy
from math import prod

import torch
from torch import nn

from eecompile.heads.base import HeadContext
from eecompile.heads.modules.dense import enlarge
from eecompile.heads.modules.first_token import FirstToken

__all__ = ["own_head_copy"]


def own_head_copy(context: HeadContext, shape: tuple[int, ...]) -> nn.Sequential | None:
    """Return the copy, or None where the trunk's own head is unknown or fits neither the feature nor the answer.

    Maps `[batch, *shape]` to `[batch, *context.output]`. A head that takes a vector is given the mean over the map, or
    the flattened map, or the first token, whichever has its size; one that gives a smaller map, that map enlarged. All
    parameters of the copy can be trained, and it is on the CPU, wherever the trunk is.
    """
    own = context.own_head
    front = None if own is None else _front(shape, own.shape)
    if own is None or front is None:
        return None
    module = copy.deepcopy(own.module).float().cpu().eval().requires_grad_(True)
    with torch.no_grad():
        made: object = module(front(torch.zeros(2, *shape, device="cpu")))
    if not isinstance(made, torch.Tensor):
        return None
    behind = _behind(tuple(made.shape[1:]), context.output)
    return None if behind is None else nn.Sequential(front, module, behind).train()


def _front(shape: tuple[int, ...], wanted: tuple[int, ...]) -> nn.Sequential | None:
    """What makes a feature of `shape` into the input that the own head wants."""
    if shape == wanted:
        return nn.Sequential()
    if len(shape) == 3 and wanted == shape[:1]:
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    if len(shape) == 3 and wanted == (prod(shape),):
        return nn.Sequential(nn.Flatten())
    return nn.Sequential(FirstToken()) if len(shape) == 2 and wanted == shape[1:] else None


def _behind(made: tuple[int, ...], output: tuple[int, ...]) -> nn.Sequential | None:
    """What makes the own head's result into an answer of shape `output`."""
    if made == output:
        return nn.Sequential()
    dense = len(made) == len(output) == 3 and made[0] == output[0]
    fits = dense and output[1] % made[1] == 0 and output[2] % made[2] == 0
    return enlarge(made, output) if fits else None
