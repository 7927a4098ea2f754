"""An attachment as the plain values of a checkpoint, and back."""

from collections.abc import Mapping
from dataclasses import fields
from itertools import pairwise
from math import prod
from typing import Any

import msgspec

from eecompile.attach.attachment import AttachedHead, Attachment
from eecompile.heads.base import Tap
from eengines.errors import IngestError

__all__ = ["attachment_from_plain", "attachment_to_plain"]

REMEDY = "Attach the heads again, or take the file as it was written"
DIMENSIONS_OF_ANSWERS = (1, 3)
MOST_VALUES = 2**28
"""Of one sample's feature or answer: 1 GiB in float32."""


def attachment_to_plain(attachment: Attachment) -> dict[str, Any]:
    """Return dictionaries, lists, strings and numbers."""
    plain: dict[str, Any] = msgspec.to_builtins(attachment)
    return plain


def attachment_from_plain(value: object, *, where: str) -> Attachment:
    """Read a checkpoint's `attached`.

    Raises:
        IngestError: a field is missing, unknown or of a wrong type, or names something that is not there.
    """
    try:
        attachment = msgspec.convert(value, type=Attachment)
    except msgspec.ValidationError as error:
        raise IngestError(f"{where}: attached", f"does not fit: {error}", REMEDY) from error
    problem = _unknown(value) or _inconsistent(attachment) or _impossible(attachment)
    if problem is not None:
        raise IngestError(f"{where}: attached", problem, REMEDY)
    return attachment


def _unknown(value: object) -> str | None:
    """Name fields that an attachment does not have."""
    assert isinstance(value, Mapping)  # noqa: S101 - it was converted
    parts = [(Attachment, [value]), (AttachedHead, value["heads"]), (Tap, value["taps"])]
    for kind, entries in parts:
        known = {field.name for field in fields(kind)}
        unknown = sorted({str(key) for entry in entries for key in entry if key not in known})
        if unknown:
            return f"has the unknown fields {', '.join(unknown)} in {kind.__name__}"
    return None


def _inconsistent(attachment: Attachment) -> str | None:
    """Say what does not fit together."""
    taps = [tap.name for tap in attachment.taps]
    heads = {head.name: head for head in attachment.heads}
    lost = [name for name in (*(head.tap for head in attachment.heads), *attachment.automatic) if name not in taps]
    unknown = [name for name in attachment.chosen if name not in heads]
    if len(set(taps)) < len(taps) or len(heads) < len(attachment.heads):
        return "has two taps or two heads of one name, expected different names"
    if lost:
        return f"names the taps {', '.join(lost)}, which are not among its taps"
    if unknown:
        return f"has the exits {', '.join(unknown)}, which are none of its heads"
    places = [taps.index(heads[name].tap) for name in attachment.chosen]
    if any(late <= early for early, late in pairwise(places)):
        return f"has the exits {', '.join(attachment.chosen)}, expected at most one for each tap, shallow to deep"
    if (attachment.own_head is None) != (attachment.own_head_shape is None):
        return "names an own head without its shape, or the other way round"
    return None


def _impossible(attachment: Attachment) -> str | None:
    """Name a shape that no feature or answer has."""
    shapes = [attachment.output, *(tap.shape for tap in attachment.taps), attachment.own_head_shape or (1,)]
    odd = [list(shape) for shape in shapes if not shape or min(shape) < 1 or prod(shape) > MOST_VALUES]
    if odd or len(attachment.output) not in DIMENSIONS_OF_ANSWERS:
        got = odd[0] if odd else list(attachment.output)
        expected = "sizes of 1 or more, together less than 1 GiB, and an answer [classes] or [classes, height, width]"
        return f"has the shape {got}, expected {expected}"
    return None
