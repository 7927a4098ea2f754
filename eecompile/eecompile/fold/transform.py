"""Fold a module: any network of convolutions and linear layers, by running it."""

import copy

import torch
from torch import nn

from eecompile.fold.check_cuts import check_cuts
from eecompile.fold.check_folded import check_folded
from eecompile.fold.classes_apart import check_classes_apart
from eecompile.fold.exit_layers import exit_layers
from eecompile.fold.foldable import check_image
from eecompile.fold.folded_network import FoldedNetwork
from eecompile.fold.images_alike import check_images_alike
from eecompile.fold.refuse_modules import refuse_modules
from eecompile.fold.run import Noted, example_of, run
from eecompile.fold.spec import FoldSpec
from eecompile.fold.widening import Widening
from eengines.errors import IngestError

__all__ = ["fold_network"]


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
    check_image(shape, where=where)
    refuse_modules(module, where=where)
    body = copy.deepcopy(module)
    with torch.enable_grad():
        image = example_of(module, shape).requires_grad_(True).clone()
        before = run(module, image, where=where, what="the network")
        _check_logits(before, where=where)
        last = exit_layers(before, where=where)
        check_classes_apart(module, image, before, last, where=where)
        widening = Widening(spec, module, {call.name for calls in last for call in calls}, where)
        row = example_of(body, (spec.factor * shape[0], *shape[1:])).requires_grad_(True)
        after = widening.run(body, row.clone())
        check_folded(before, after, spec.factor, where=where)
        check_cuts(before.cuts, after.cuts, where=where)
        check_images_alike(body, row, after, spec.factor, where=where)
    return FoldedNetwork(body, spec.factor)


def _check_logits(noted: Noted, *, where: str) -> None:
    for index, logits in enumerate(noted.exits):
        if logits.ndim != 2 or len(logits) != len(noted.exits[0]) or not logits.is_floating_point():
            problem = f"makes {list(logits.shape)} for 2 images, expected logits [2, classes]"
            raise IngestError(f"{where}: exit {index}", problem, "Only networks that classify images can be folded")
