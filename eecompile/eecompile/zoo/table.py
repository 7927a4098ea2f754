"""The explicit table from a name in a checkpoint to a function that makes the network."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from eecompile.zoo.branchy_cnn import branchy_cnn
from eengines.errors import IngestError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ARCHITECTURES", "lookup"]

ARCHITECTURES: "dict[str, Callable[..., nn.Module]]" = {"branchy_cnn": branchy_cnn}


def lookup(name: str) -> "Callable[..., nn.Module]":
    """Return the function that makes the architecture `name`.

    Raises:
        IngestError: there is no such architecture.
    """
    if name not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise IngestError(
            f"arch '{name}'", f"is not in the zoo, which has {known}", "Pass --factory package.module:function"
        )
    return ARCHITECTURES[name]
