"""What every plain network of the zoo offers: one answer, named blocks to read, and a named head of its own."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import nn

__all__ = ["PlainNetwork"]


class PlainNetwork(nn.Module, ABC):
    """A network without exits, to which heads are attached. `forward` returns one tensor of logits."""

    own_head: ClassVar[str]
    """Name of the module that makes the answer from the last feature."""

    @property
    @abstractmethod
    def tap_names(self) -> tuple[str, ...]:
        """Names of the modules whose output is the final feature of a block, in the order in which they run."""
