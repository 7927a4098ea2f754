"""Which heads are attached to which taps of a trunk: what a checkpoint stores beside the weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eecompile.heads.base import Tap

__all__ = ["FINAL", "AttachedHead", "Attachment"]

FINAL = "final"
"""Name of the last exit, which is the trunk's own answer."""


@dataclass(frozen=True, kw_only=True)
class AttachedHead:
    """One head, a candidate for an exit.

    Attributes:
        name: of the exit, unique in the network: the tap's name, a hyphen, the kind.
        tap: name of the tap that it reads.
        kind: name of the kind, see `eecompile.heads`.
        options: of the kind.
        macs: multiply-accumulates a sample of the head alone.
        parameters: number of its weights.
        agreement: share of the validation samples for which it gives the trunk's answer (of pixels, where the answer
            is dense); None before training.
        accuracy: share that it answers as labelled; None before training or without labels.
    """

    name: str
    tap: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    macs: int = 0
    parameters: int = 0
    agreement: float | None = None
    accuracy: float | None = None


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """All heads of a network.

    Attributes:
        taps: taps that heads read or that their contexts name, in the order in which they run.
        heads: candidates, by tap from shallow to deep, in the order of `--heads` within a tap.
        chosen: names of the heads that are exits, at most one for each tap, shallow to deep.
        output: shape of one sample of the trunk's answer.
        own_head: name of the trunk's own head module, or None where it is not known.
    """

    taps: tuple[Tap, ...]
    heads: tuple[AttachedHead, ...]
    chosen: tuple[str, ...]
    output: tuple[int, ...]
    own_head: str | None = None

    @property
    def exits(self) -> tuple[str, ...]:
        """Names of the exits, shallow to deep, the final one last."""
        return (*self.chosen, FINAL)
