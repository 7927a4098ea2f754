"""The explicit table from the word in `--heads` and in checkpoints to the kind of head."""

from collections.abc import Mapping
from typing import Any

from eecompile.heads.base import HeadKind
from eecompile.heads.bof import BofHead
from eecompile.heads.conv import ConvHead
from eecompile.heads.conv3 import Conv3Head
from eecompile.heads.deconv import DeconvHead
from eecompile.heads.fc import FcHead
from eecompile.heads.linear import LinearHead
from eecompile.heads.pool import PoolHead
from eecompile.heads.pooler import PoolerHead
from eecompile.heads.remainder import RemainderHead
from eecompile.heads.simple import SimpleHead
from eecompile.heads.strided import StridedHead
from eengines.errors import IngestError, UserError

__all__ = ["KINDS", "all_kinds", "head_from"]

KINDS: Mapping[str, type[HeadKind]] = {
    kind.name: kind
    for kind in (
        FcHead,
        PoolHead,
        ConvHead,
        LinearHead,
        StridedHead,
        Conv3Head,
        BofHead,
        SimpleHead,
        RemainderHead,
        DeconvHead,
        PoolerHead,
    )
}


def all_kinds() -> tuple[HeadKind, ...]:
    """Every kind with its default options, in the order of the table."""
    return tuple(kind() for kind in KINDS.values())


def head_from(kind: str, options: Mapping[str, Any]) -> HeadKind:
    """Return the head that a checkpoint names; an option that it does not name has its default.

    Raises:
        IngestError: an unknown kind or option, or a value that does not fit.
    """
    where = f"checkpoint: head '{kind}'"
    remedy = "Build with the version of eecompile that wrote the checkpoint, or a newer one"
    if kind not in KINDS:
        raise IngestError(where, f"is no kind of head, expected one of {', '.join(KINDS)}", remedy)
    known = KINDS[kind].option_names()
    unknown = [str(option) for option in options if option not in known]
    if unknown:
        problem = f"has no option {', '.join(unknown)}, expected of {', '.join(known) or 'none at all'}"
        raise IngestError(where, problem, remedy)
    try:
        return KINDS[kind](**options)
    except UserError as error:
        raise IngestError(where, error.problem, error.remedy) from error
