"""Fold a module: any network of convolutions and linear layers, by running it."""

import copy
from math import lcm

import torch
from torch import Tensor, nn

from eecompile.fold.check_folded import check_folded
from eecompile.fold.exit_layers import exit_layers
from eecompile.fold.folded_network import FoldedNetwork
from eecompile.fold.layers import LAYERS, MAKERS, arriving, groups_of, refit, taken
from eecompile.fold.refuse_modules import refuse_modules
from eecompile.fold.run import Noted, example_of, run, words
from eecompile.fold.spec import FoldSpec
from eengines.errors import IngestError

__all__ = ["fold_network"]

IMAGE_AXES = 3


def fold_network(module: nn.Module, spec: FoldSpec, shape: tuple[int, ...], *, where: str) -> FoldedNetwork:
    """Return the folded form of a network, with fresh weights from torch's generator.

    A copy of the module runs on `[2, factor * channels, height, width]`; each layer with weights is widened when it is
    reached: it takes what arrives, and makes `spec.width` of its old outputs, or `factor` times as many where it makes
    the logits of an exit. Depthwise convolutions follow what arrives. Kernels, strides, depth and everything without
    weights stay as they are. Source: Kosaian et al. (FoldedCNNs), 2021.

    Args:
        module: maps `[batch, channels, height, width] float32` to logits `[batch, classes]` of every exit. Left as it
            is, but for buffers that its `forward` itself changes.
        spec: how to fold.
        shape: of one image as the network sees it, `(channels, height, width)`.
        where: what made the network, for messages.

    Raises:
        IngestError: something in it cannot follow; the message names the module.
    """
    if len(shape) != IMAGE_AXES:
        problem = f"takes samples of shape {list(shape)}, expected images [channels, height, width]"
        raise IngestError(where, problem, "Networks of other samples cannot be folded")
    refuse_modules(module, where=where)
    body = copy.deepcopy(module)
    with torch.enable_grad():
        image = example_of(module, shape).requires_grad_(True).clone()
        before = run(module, image, where=where, what="the network")
        _check_logits(before, where=where)
        widening = _Widening(spec, module, exit_layers(before, where=where), where)
    with torch.no_grad():
        row = example_of(body, (spec.factor * shape[0], *shape[1:]))
        after = run(body, row, where=where, what="the folded network", before=widening)
    widening.check_all_reached(body)
    check_folded(before, after, spec.factor, where=where)
    return FoldedNetwork(body, spec.factor)


def _check_logits(noted: Noted, *, where: str) -> None:
    for index, logits in enumerate(noted.exits):
        if logits.ndim != 2 or len(logits) != len(noted.exits[0]) or not logits.is_floating_point():
            problem = f"makes {list(logits.shape)} for 2 images, expected logits [2, classes]"
            raise IngestError(f"{where}: exit {index}", problem, "Only networks that classify images can be folded")


class _Widening:
    """Widens each layer when it is first reached.

    Args:
        spec: how to fold.
        module: the network before folding.
        exits: names of the layers that make logits.
        where: what made the network, for messages.
    """

    def __init__(self, spec: FoldSpec, module: nn.Module, exits: set[str], where: str) -> None:
        self._spec, self._exits, self._where = spec, exits, where
        self._fits: dict[int, int] = {}
        self._taken: dict[str, int] = {}
        self._kept = False
        for part in module.modules():
            groups, widths = groups_of(part)
            for width in widths:
                self._fits[width] = lcm(groups, self._fits.get(width, 1))

    def __call__(self, name: str, layer: nn.Module, x: Tensor | None) -> None:
        """Widen a layer that is about to run on `x`.

        Raises:
            IngestError: it cannot take what arrives.
        """
        if not isinstance(layer, LAYERS) or x is None:
            return
        place, inputs = words(self._where, name), arriving(layer, x)
        if name in self._taken:
            if inputs != self._taken[name]:
                problem = f"is used with {self._taken[name]} features and again with {inputs}"
                raise IngestError(
                    place, f"{problem}, which folding makes different", "Give each use a layer of its own"
                )
            return
        old, groups = taken(layer), groups_of(layer)[0]
        if isinstance(layer, MAKERS) and (inputs < old or (inputs == old and not self._kept)):
            problem = f"is given {inputs} features in the folded network, {old} before, expected more"
            remedy = "Write forward so that slices and views take their sizes from what arrives, and channels grow"
            raise IngestError(place, problem, remedy)
        if inputs % groups:
            problem = f"has {groups} groups, which {inputs} features cannot be shared among"
            raise IngestError(
                place, problem, "Give the layers in front of it widths that one rule widens, or other widths"
            )
        self._taken[name] = inputs
        refit(layer, inputs, lambda width: self._width(name, width))

    def _width(self, name: str, old: int) -> int:
        if name in self._exits:
            return old * self._spec.factor
        new = self._spec.width(old, self._fits)
        self._kept |= new == old
        return new

    def check_all_reached(self, module: nn.Module) -> None:
        """Refuse layers that did not run, whose weights nothing widened.

        Raises:
            IngestError: there are some.
        """
        idle = [name for name, part in module.named_modules() if isinstance(part, LAYERS) and name not in self._taken]
        if idle:
            problem = f"{len(idle)} layers with weights do not run in evaluation mode or as modules, the first is this"
            raise IngestError(
                words(self._where, idle[0]),
                problem,
                "Remove them; heads that are no exits with eecompile heads --prune",
            )
