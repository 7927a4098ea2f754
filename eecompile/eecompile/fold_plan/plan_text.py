"""A plan as text."""

from eecompile.fold_plan.plan import FoldPlan
from eecompile.fold_plan.variant import Variant
from eerun.bench.table import aligned

__all__ = ["plan_text"]

MEGA = 1e6
ALL = 0.995
"""Share of the arithmetic from which on nothing is said of the rest."""


def plan_text(plan: FoldPlan) -> str:
    """Return the layers, the fold factors and the advice."""
    roofline = plan.roofline
    lines = [
        f"{plan.model} on {plan.target} in {plan.precision}, {plan.batch} images at once",
        f"{roofline.tera_ops:.3g} tera-operations and {roofline.gigabytes:.4g} GB a second, {roofline.source}: "
        f"the ridge is at {plan.ridge:.1f} operations a byte",
        "",
        *aligned([["layer", "class", "output", "MFLOPs", "ops/byte", "ridge"], *_layers(plan)]),
        "",
        *aligned([["fold", "weights", "MFLOPs/image", "more", "ops/byte", "wait", "speed"], *_variants(plan)]),
        f"Fold 1 is the network as it is; widths: {plan.widths}. wait: layers below the ridge, their share of the time",
        "speed: AN ESTIMATE of throughput by the roofline: a layer takes the longer of arithmetic and memory, all else",
        "takes no time. No network was run for it; how well a folded network answers is known when it is trained.",
    ]
    if plan.exits > 1:
        lines += [
            f"Exits are not in this estimate: all {plan.exits} are counted, and nobody leaves early. Where a share p",
            "of the images passes an exit, p^f of the groups leave, if images are in no order.",
        ]
    if plan.counted < ALL:
        lines.append(
            f"The layers hold {plan.counted:.0%} of the network's arithmetic; the rest is not in the estimate."
        )
    return "\n".join([*lines, "", *_advice(plan)])


def _layers(plan: FoldPlan) -> list[list[str]]:
    return [
        [
            layer.name,
            layer.kind,
            "×".join(map(str, layer.output)),
            f"{layer.flops / MEGA:.3f}",
            f"{layer.intensity:.1f}",
            "above" if layer.above_ridge else "below",
        ]
        for layer in plan.layers
    ]


def _variants(plan: FoldPlan) -> list[list[str]]:
    return [
        [
            str(variant.fold),
            str(variant.weights),
            f"{variant.flops / MEGA:.3f}",
            "" if variant.fold == 1 else f"{variant.more_flops:+.1%}",
            f"{variant.intensity:.1f}",
            f"{variant.waiting_layers} of {len(variant.layers)}, {variant.waiting_time:.0%}",
            f"{variant.speed:.2f}x",
        ]
        for variant in plan.variants
    ]


def _advice(plan: FoldPlan) -> list[str]:
    """The factor, its reasons and how to find out."""
    fold, speed = plan.advice.fold, _chosen(plan).speed
    title = "Advice: do not fold for this." if fold == 1 else f"Advice: try --fold {fold} ({speed:.2f}x, estimated)."
    lines = [title, *(f"- {reason}" for reason in plan.advice.reasons)]
    if fold > 1:
        lines.append(f"Measure it: eecompile build MODEL --fold {fold}, then eerun bench.")
    return lines


def _chosen(plan: FoldPlan) -> Variant:
    (chosen,) = (variant for variant in plan.variants if variant.fold == plan.advice.fold)
    return chosen
