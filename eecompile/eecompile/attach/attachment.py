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
        name: of the exit, unique in the network: the tap's name, a hyphen, the kind; of a kind that is there again with
            other options, then a point and its number: `layer1.0-fc`, `layer1.0-fc.2`.
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

    @property
    def label(self) -> str:
        """What tells it from the other heads of its tap: the kind, with a number where that is there twice."""
        return self.name.removeprefix(f"{self.tap}-")


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """All heads of a network.

    Attributes:
        taps: taps that heads read, and those that `--at auto` finds, in the order in which they run.
        automatic: names of those that `--at auto` finds: what is left of the trunk, for heads that copy that.
        heads: candidates, by tap from shallow to deep, in the order of `--heads` within a tap.
        chosen: names of the heads that are exits, at most one for each tap, shallow to deep.
        output: shape of one sample of the trunk's answer.
        own_head: name of the trunk's own head module, or None where it is not known.
        own_head_shape: shape of one sample that it takes.
        macs: multiply-accumulates a sample of the trunk.
    """

    taps: tuple[Tap, ...]
    heads: tuple[AttachedHead, ...]
    chosen: tuple[str, ...]
    output: tuple[int, ...]
    own_head: str | None = None
    own_head_shape: tuple[int, ...] | None = None
    automatic: tuple[str, ...] = ()
    macs: int = 0

    @property
    def exits(self) -> tuple[str, ...]:
        """Names of the exits, shallow to deep, the final one last."""
        return (*self.chosen, FINAL)

    def tap(self, name: str) -> Tap:
        """The tap of this name."""
        return next(tap for tap in self.taps if tap.name == name)

    def of_tap(self, name: str) -> tuple[AttachedHead, ...]:
        """The candidates at a tap."""
        return tuple(head for head in self.heads if head.tap == name)
