"""Whether to fold, by which factor, and why: read from the figures of a roofline."""

from collections.abc import Sequence
from dataclasses import dataclass

from eecompile.fold_plan.roofline import Roofline
from eecompile.fold_plan.settings import PlanSettings
from eecompile.fold_plan.variant import Variant

__all__ = ["Advice", "advise"]

WORTH = 1.05
"""Estimated speed from which folding is advised: it costs a training, and an estimate is not exact to 5 %."""

MANY_MORE = 0.05
"""Share of additional operations that is worth a word."""

ALIGNED = 8
"""Channels that tensor cores and vector units take at once."""


HALF = 0.5
"""Share of the images that pass an exit, for an example."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What to do.

    Attributes:
        fold: the factor to try; 1: leave the network as it is.
        reasons: why, one sentence each.
    """

    fold: int
    reasons: tuple[str, ...]


def advise(variants: Sequence[Variant], settings: PlanSettings, roofline: Roofline, *, exits: int) -> Advice:
    """Advise the smallest factor that comes within 5 % of the fastest, if that gains 5 % or more.

    Args:
        variants: the network before folding first.
        settings: of the plan.
        roofline: of the target.
        exits: of the network.
    """
    fastest = max(variant.speed for variant in variants)
    before, best = variants[0], variants[0]
    if fastest >= WORTH:
        best = min((v for v in variants if v.speed * WORTH >= fastest), key=lambda variant: variant.fold)
    folded = [variant for variant in variants if variant.fold > 1]
    reasons = [_limit(before, best, folded, roofline), *_filled(folded, settings.batch)]
    reasons += _growth(before, best if best.fold > 1 else max(variants, key=lambda variant: variant.fold))
    reasons += [*_widths(folded, settings), *_early(best.fold, exits)]
    return Advice(fold=best.fold, reasons=tuple(reasons))


def _limit(before: Variant, best: Variant, folded: Sequence[Variant], roofline: Roofline) -> str:
    """What limits the network before folding, and what that means for it."""
    ridge, count = f"the ridge ({roofline.ridge:.0f} operations a byte)", len(before.layers)
    if before.waiting_layers == 0:
        least = min(variant.more_flops for variant in folded)
        return f"Every layer is above {ridge}: folding adds {least:.1%} operations or more, and saves nothing."
    waits = (
        f"{before.waiting_layers} of {count} layers, {before.waiting_time:.0%} of the estimated time, "
        f"are below {ridge} and wait for memory"
    )
    if best.fold == 1:
        return f"{waits}; all in all folding gains less than {WORTH - 1:.0%}."
    return f"{waits}; folded by {best.fold} the network does {best.intensity / before.intensity:.2f}x as many a byte."


def _filled(folded: Sequence[Variant], batch: int) -> list[str]:
    """Rows that a few images cannot fill."""
    missing = {variant.fold: -batch % variant.fold for variant in folded}
    many = {fold: count for fold, count in missing.items() if count >= MANY_MORE * batch}
    if not many:
        return []
    return [
        f"{'1 image' if batch == 1 else f'{batch} images'} at once do not fill the rows of {_listed([*many])} images: "
        f"{_listed([*many.values()])} more are computed for nothing."
    ]


def _growth(before: Variant, after: Variant) -> list[str]:
    """The layer that adds most operations, where they are many."""
    if after.more_flops < MANY_MORE or len(before.layers) != len(after.layers):
        return []
    pairs = list(zip(before.layers, after.layers, strict=True))
    old, new = max(pairs, key=lambda pair: pair[1].flops / after.fold - pair[0].flops)
    why = "its widths are rounded up"
    if old is before.layers[0]:
        why = f"it reads all {after.fold} images"
    elif new.output[0] == after.fold * old.output[0]:
        why = f"it answers for all {after.fold} images"
    return [
        f"Folded by {after.fold} an image takes {after.more_flops:.0%} more operations, most of them in {old.name} "
        f"({new.flops / after.fold / old.flops:.2f}x): {why}."
    ]


def _widths(folded: Sequence[Variant], settings: PlanSettings) -> list[str]:
    """Widths that hardware fills up; the estimate does not."""
    if settings.fold_widths != "exact":
        return []
    odd = [v.fold for v in folded if any(layer.output[0] % ALIGNED for layer in v.layers[:-1])]
    if not odd:
        return []
    return [
        f"Folded by {_listed(odd)} exact widths are no multiples of {ALIGNED}: hardware fills them up, the estimate "
        "does not. Leave out --fold-widths."
    ]


def _early(fold: int, exits: int) -> list[str]:
    """What early exits save, and folding takes from that."""
    if exits == 1:
        return []
    if fold == 1:
        return ["Exits are one reason more: a group of a folded network leaves early only where all of its images do."]
    return [
        f"Exits work against it: where {HALF:.0%} of the images pass one, {HALF**fold:.2%} of the groups of {fold} "
        "leave there. Unfolded the images would leave, and that speed is not in the estimate."
    ]


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
