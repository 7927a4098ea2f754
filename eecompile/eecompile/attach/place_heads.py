"""Put every kind of head on every tap that it fits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from eecompile.attach.attached import Attached
from eecompile.attach.attachment import AttachedHead, Attachment
from eecompile.attach.find_taps import TrunkTaps
from eecompile.attach.make_heads import head_context, make_heads
from eecompile.attach.own_head import own_head_of
from eecompile.attach.watch import Watched
from eecompile.heads.base import HeadKind, SharedModules, Tap
from eecompile.module_macs import module_macs
from eengines.errors import UserError

__all__ = ["Placed", "RefusedHead", "place_heads"]


@dataclass(frozen=True, kw_only=True)
class RefusedHead:
    """A kind of head that a tap cannot have.

    Attributes:
        tap: name of the tap.
        kind: name of the kind; of one that is there again with other options, with its number.
        reason: why not.
    """

    tap: str
    kind: str
    reason: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Placed:
    """A trunk with fresh heads.

    Attributes:
        attached: the network; nothing is chosen yet.
        refused: kinds that taps cannot have.
    """

    attached: Attached
    refused: tuple[RefusedHead, ...]


def place_heads(watched: Watched, found: TrunkTaps, kinds: Sequence[HeadKind], *, named: bool, seed: int) -> Placed:
    """Attach heads with fresh weights.

    Args:
        watched: the trunk.
        found: its taps.
        kinds: of heads, each for every tap that heads shall read.
        named: whether the user named the taps: then each must get a head.
        seed: of the weights.

    Raises:
        UserError: a kind that fits no tap, or a named tap that no kind fits.
    """
    heads: list[AttachedHead] = []
    refused: list[RefusedHead] = []
    taps = [tap for tap in found.taps if tap.name in found.read]
    for tap in taps:
        for kind, label in zip(kinds, _labels(kinds), strict=True):
            reason = _refusal(watched, found, tap, kind)
            if reason is None:
                name = f"{tap.name}-{label}"
                heads.append(AttachedHead(name=name, tap=tap.name, kind=kind.name, options=dict(kind.options())))
            else:
                refused.append(RefusedHead(tap=tap.name, kind=label, reason=reason))
    _check_all_used(taps if named else (), kinds, heads, refused)
    attachment = Attachment(
        taps=found.taps,
        heads=tuple(heads),
        chosen=(),
        output=found.output,
        own_head=found.own_head[0] if found.own_head else None,
        own_head_shape=found.own_head[1] if found.own_head else None,
        automatic=found.automatic,
        macs=found.macs,
    )
    modules = make_heads(watched.trunk, attachment, seed=seed)
    measured = [_measured(head, module, attachment.tap(head.tap)) for head, module in zip(heads, modules, strict=True)]
    attachment = replace(attachment, heads=tuple(measured))
    return Placed(attached=Attached(watched.trunk, modules, attachment).eval(), refused=tuple(refused))


def _labels(kinds: Sequence[HeadKind]) -> list[str]:
    """The name of each kind; the second of one name, with other options, gets a number."""
    names = [kind.name for kind in kinds]
    before = [names[:index].count(name) for index, name in enumerate(names)]
    return [f"{name}.{count + 1}" if count else name for name, count in zip(names, before, strict=True)]


def _refusal(watched: Watched, found: TrunkTaps, tap: Tap, kind: HeadKind) -> str | None:
    own = own_head_of(watched, found.own_head)
    return kind.refusal(head_context(tap, found.taps, found.automatic, found.output, own, SharedModules()))


def _check_all_used(
    taps: Sequence[Tap], kinds: Sequence[HeadKind], heads: Sequence[AttachedHead], refused: Sequence[RefusedHead]
) -> None:
    for label in _labels(kinds):
        if not any(head.label == label for head in heads):
            first = next(refusal for refusal in refused if refusal.kind == label)
            problem = f"fits no tap; at {first.tap}: {first.reason}"
            raise UserError(f"--heads {label}", problem, "Leave it out, or name other taps with --at")
    for tap in taps:
        if not any(head.tap == tap.name for head in heads):
            reasons = "; ".join(f"{refusal.kind}: {refusal.reason}" for refusal in refused if refusal.tap == tap.name)
            raise UserError(f"--at {tap.name}", f"no head fits: {reasons}", "Name another module, or other heads")


def _measured(head: AttachedHead, module: nn.Module, tap: Tap) -> AttachedHead:
    """The same with its costs. Modules that it shares with others are counted in full."""
    parameters = sum(weight.numel() for weight in module.parameters())
    return replace(head, macs=module_macs(module, (torch.zeros(1, *tap.shape),)), parameters=parameters)
