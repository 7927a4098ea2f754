"""Change which heads of an attached checkpoint are exits, and drop those that are not."""

import re
from collections.abc import Mapping
from dataclasses import replace

from eecompile.attach.attachment import Attachment
from eecompile.attach.nearest_names import nearest_names
from eecompile.checkpoint import Checkpoint
from eecompile.fold.refuse_folded import refuse_folded
from eengines.errors import UserError

__all__ = ["attachment_of", "choose", "prune"]

_HEAD_WEIGHT = re.compile(r"heads\.(\d+)\.(.*)")


def choose(checkpoint: Checkpoint, picks: Mapping[str, str | None]) -> Checkpoint:
    """Return the checkpoint with other exits; all candidates stay.

    Args:
        checkpoint: with attached heads.
        picks: by name of tap the label of the head that becomes its exit (`fc`, `fc.2`), or None: no exit there. Taps
            that are not named stay as they are.

    Raises:
        UserError: the network is folded, or there are no attached heads, or no such tap or head.
    """
    attachment = _changeable(checkpoint)
    taken = {head.tap: head.name for head in attachment.heads if head.name in attachment.chosen}
    taps = [tap.name for tap in attachment.taps if attachment.of_tap(tap.name)]
    for tap, label in picks.items():
        where = f"--choose {tap}={label or 'none'}"
        if tap not in taps:
            raise UserError(where, f"'{tap}' is no tap with heads", f"The nearest are {nearest_names(tap, taps)}")
        if label is None:
            taken.pop(tap, None)
            continue
        found = {head.label: head.name for head in attachment.of_tap(tap)}
        if label not in found:
            problem = f"this tap has no head '{label}', expected one of {', '.join(found)}, or none"
            raise UserError(where, problem, "Attach the head, or choose another")
        taken[tap] = found[label]
    chosen = tuple(taken[tap] for tap in taps if tap in taken)
    return _with(checkpoint, replace(attachment, chosen=chosen))


def prune(checkpoint: Checkpoint) -> Checkpoint:
    """Return the checkpoint without the heads that are no exits, and without their weights.

    Raises:
        UserError: the network is folded, or there are no attached heads.
    """
    attachment = _changeable(checkpoint)
    kept = [index for index, head in enumerate(attachment.heads) if head.name in attachment.chosen]
    places = {str(index): place for place, index in enumerate(kept)}
    weights = {}
    for name, tensor in checkpoint.state_dict.items():
        found = _HEAD_WEIGHT.fullmatch(name)
        if found is None:
            weights[name] = tensor
        elif found[1] in places:
            weights[f"heads.{places[found[1]]}.{found[2]}"] = tensor
    heads = tuple(attachment.heads[index] for index in kept)
    return _with(replace(checkpoint, state_dict=weights), replace(attachment, heads=heads))


def attachment_of(checkpoint: Checkpoint) -> Attachment:
    """The attachment of a checkpoint.

    Raises:
        UserError: it has none.
    """
    if checkpoint.attached is None:
        raise UserError("checkpoint", "has no attached heads", "Attach some with eecompile attach")
    return checkpoint.attached


def _changeable(checkpoint: Checkpoint) -> Attachment:
    """The attachment, if its heads can change."""
    refuse_folded(checkpoint.fold, where="checkpoint: fold", why="its exits are widened together with the trunk")
    return attachment_of(checkpoint)


def _with(checkpoint: Checkpoint, attachment: Attachment) -> Checkpoint:
    return replace(checkpoint, attached=attachment, exits=attachment.exits)
