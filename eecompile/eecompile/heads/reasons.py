"""Reasons that several kinds of heads share for not fitting a place: what was got, and what was expected."""

from eecompile.heads.base import HeadContext

__all__ = ["not_a_map", "not_dense", "not_one_row", "not_tokens", "tokens"]


def not_one_row(context: HeadContext) -> str | None:
    """Why a head that gives `[batch, classes]` cannot answer for this trunk."""
    if not context.is_dense:
        return None
    return f"the trunk answers a map {list(context.output)}, expected one row of classes"


def not_dense(context: HeadContext) -> str | None:
    """Why a head that gives `[batch, classes, height, width]` cannot answer for this trunk."""
    if context.is_dense:
        return None
    return f"the trunk answers {list(context.output)}, expected a map [classes, height, width]"


def not_a_map(context: HeadContext) -> str | None:
    """Why a head that reads `[batch, channels, height, width]` cannot read this tap."""
    return None if context.tap.is_map else f"got {_feature(context)}, expected a map [channels, height, width]"


def not_tokens(context: HeadContext) -> str | None:
    """Why a head that reads `[batch, tokens, width]` cannot read this tap."""
    return None if context.tap.is_tokens else f"got {_feature(context)}, expected tokens [tokens, width]"


def tokens(context: HeadContext) -> str | None:
    """Why a head whose weights depend on the size of the feature cannot read this tap: the number of tokens varies."""
    return f"got {_feature(context)}, expected a map or a vector" if context.tap.is_tokens else None


def _feature(context: HeadContext) -> str:
    tap = context.tap
    word = "a map" if tap.is_map else "tokens" if tap.is_tokens else "a vector"
    return f"{word} {list(tap.shape)}"
