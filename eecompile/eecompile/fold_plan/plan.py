"""What folding would bring by arithmetic alone: a network as it is, and folded by some factors."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from eecompile.fold import FoldSpec, fold_network
from eecompile.fold.run import example_of, run
from eecompile.fold_plan.advice import Advice, advise
from eecompile.fold_plan.intensity import arithmetic_intensity
from eecompile.fold_plan.layer_work import LayerWork, layers_of
from eecompile.fold_plan.roofline import Roofline, roofline_of
from eecompile.fold_plan.settings import PlanSettings
from eecompile.fold_plan.variant import Variant
from eecompile.module_macs import module_macs
from eengines.errors import IngestError
from eerun.folding import rows_of

__all__ = ["FoldPlan", "PlannedLayer", "plan_folding"]


@dataclass(frozen=True, kw_only=True)
class PlannedLayer:
    """A layer of the network before folding.

    Attributes:
        name: of the module.
        kind: its class.
        output: shape of what it makes of one image.
        flops: operations an image.
        intensity: operations a byte, when all images are there at once.
        above_ridge: whether arithmetic is its limit, not memory.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    flops: int
    intensity: float
    above_ridge: bool


@dataclass(frozen=True, kw_only=True)
class FoldPlan:
    """The whole plan; times and speeds are estimates of a roofline, nothing of a network was measured.

    Attributes:
        model: what was planned.
        target: name of the device.
        precision: of weights and values.
        batch: images at once.
        widths: how folded widths are rounded.
        roofline: what the device can do.
        ridge: operations a byte where its two limits meet.
        layers: of the network before folding, in the order in which they run.
        counted: share of the network's multiply-accumulates that these layers have.
        exits: how many exits the network has; all of them are counted.
        variants: the network before folding, then by fold factor.
        advice: which factor to take, and why.
    """

    model: str
    target: str
    precision: str
    batch: int
    widths: str
    roofline: Roofline
    ridge: float
    layers: tuple[PlannedLayer, ...]
    counted: float
    exits: int
    variants: tuple[Variant, ...]
    advice: Advice


def plan_folding(module: nn.Module, shape: tuple[int, ...], settings: PlanSettings, *, where: str) -> FoldPlan:
    """Plan the folding of a network.

    Args:
        module: the network before folding, in float32 on the CPU.
        shape: channels, height and width of an image as it sees it.
        settings: of the plan.
        where: the network, for messages.

    Raises:
        IngestError: the network cannot be folded, or has no layer that counts.
        UserError: nothing is known of the target in this precision.
    """
    roofline, precision = roofline_of(settings), settings.value_type
    folded = {fold: _folded_layers(module, fold, shape, settings, where=where) for fold in settings.fold}
    layers, exits = layers_of(module, shape), _exits(module, shape, where=where)
    if not layers:
        problem = "has no convolution and no fully connected layer"
        raise IngestError(where, problem, "Give a network whose layers are modules of torch")
    before = _variant(layers, 1, settings, roofline)
    variants = [before, *(_variant(own, fold, settings, roofline, before=before) for fold, own in folded.items())]
    return FoldPlan(
        model=where,
        target=settings.target,
        precision=precision,
        batch=settings.batch,
        widths=settings.fold_widths,
        roofline=roofline,
        ridge=roofline.ridge,
        layers=tuple(_planned(layer, settings, roofline) for layer in layers),
        counted=_counted(module, shape, layers),
        exits=exits,
        variants=tuple(variants),
        advice=advise(variants, settings, roofline, exits=exits),
    )


def _folded_layers(
    module: nn.Module, fold: int, shape: tuple[int, ...], settings: PlanSettings, *, where: str
) -> tuple[LayerWork, ...]:
    """Layers of the folded network, which is then dropped."""
    folded = fold_network(module, FoldSpec(factor=fold, widths=settings.fold_widths), shape, where=where)
    return layers_of(folded, (fold, *shape))


def _planned(layer: LayerWork, settings: PlanSettings, roofline: Roofline) -> PlannedLayer:
    intensity = arithmetic_intensity([layer], rows=settings.batch, precision=settings.value_type)
    return PlannedLayer(
        name=layer.name,
        kind=layer.kind,
        output=layer.output,
        flops=layer.flops,
        intensity=intensity,
        above_ridge=intensity > roofline.ridge,
    )


def _variant(
    layers: Sequence[LayerWork],
    fold: int,
    settings: PlanSettings,
    roofline: Roofline,
    *,
    before: Variant | None = None,
) -> Variant:
    """One fold factor, beside the network before folding."""
    precision, rows = settings.value_type, rows_of(settings.batch, fold)
    seconds = roofline.seconds(layers, rows=rows, precision=precision)
    waiting = [
        layer for layer in layers if arithmetic_intensity([layer], rows=rows, precision=precision) <= roofline.ridge
    ]
    flops = sum(layer.flops for layer in layers) / fold
    return Variant(
        fold=fold,
        layers=tuple(layers),
        weights=sum(layer.weights for layer in layers),
        flops=flops,
        more_flops=0.0 if before is None else flops / before.flops - 1,
        intensity=arithmetic_intensity(layers, rows=settings.batch / fold, precision=precision),
        waiting_layers=len(waiting),
        waiting_time=roofline.seconds(waiting, rows=rows, precision=precision) / seconds,
        seconds=seconds,
        speed=1.0 if before is None else before.seconds / seconds,
    )


def _exits(module: nn.Module, shape: tuple[int, ...], *, where: str) -> int:
    return len(run(module, example_of(module, shape), where=where, what="the network").exits)


def _counted(module: nn.Module, shape: tuple[int, ...], layers: Sequence[LayerWork]) -> float:
    """Share of the multiply-accumulates that are those of layers; others are products inside `forward`."""
    return sum(layer.macs for layer in layers) / module_macs(module, (torch.zeros(1, *shape),))
