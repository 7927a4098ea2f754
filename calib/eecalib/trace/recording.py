"""What is recorded of one configuration: every split that tuning needs, and what float32 answers there."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eecalib.trace.exit_trace import ExitTrace
from eecalib.trace.map_trace import MapTrace
from eerun.count_alike import count_alike, count_units
from eerun.folding import GroupExit

__all__ = ["SPLITS", "Recording", "SplitRecording"]

SPLITS = ("tune", "certify", "test")
"""What is recorded: the samples for tuning, certifying and reporting."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitRecording:
    """What the exits say about one split.

    Attributes:
        trace: of the configuration, with the labels of the data.
        float32: `[samples, *map]` answers of the final exit in float32.
        sha256: digest of the samples.
    """

    trace: ExitTrace | MapTrace
    float32: NDArray[Any]
    sha256: str

    @property
    def ignored(self) -> int | None:
        """The label of pixels that do not count, or None."""
        return self.trace.ignored if isinstance(self.trace, MapTrace) else None

    def against(self, *, agreement: bool) -> "SplitRecording":
        """Return the same with float32's answers for labels where the drop is in agreement with them."""
        if not agreement and self.trace.labels is not None:
            return self
        if isinstance(self.trace, MapTrace):
            return replace(self, trace=replace(self.trace, labels=self.float32, ignored=None))
        return replace(self, trace=replace(self.trace, labels=self.float32.astype(np.int64)))

    @property
    def reference_right(self) -> NDArray[np.int64]:
        """How many answers of each sample the final exit in float32 has right, `[samples]`."""
        assert self.trace.labels is not None  # noqa: S101 - see against
        return count_alike(self.float32, self.trace.labels, self.ignored)

    @property
    def units(self) -> NDArray[np.int64]:
        """How many answers of each sample count, `[samples]`."""
        return count_units(self.float32 if self.trace.labels is None else self.trace.labels, self.ignored)

    def under(self, rule: GroupExit) -> "SplitRecording":
        """Return the same for groups that leave by another rule."""
        if isinstance(self.trace, MapTrace):
            return self
        return replace(self, trace=replace(self.trace, rule=rule))

    def of_exits(self, kept: tuple[int, ...]) -> "SplitRecording":
        """Return the recording of a network with some of the early exits, given ascending, and the final one."""
        return replace(self, trace=self.trace.of_exits(kept))


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """What was recorded of one configuration of a bundle.

    Attributes:
        source_sha256: digest of the model that the bundle was built from.
        configuration: name of the configuration.
        graphs_sha256: digest of its graphs without the policy.
        engine_version: version of the engine's library.
        exits: names of the exits.
        splits: those of `SPLITS` that the data have; `tune` is among them.
    """

    source_sha256: str
    configuration: str
    graphs_sha256: str
    engine_version: str
    exits: tuple[str, ...]
    splits: Mapping[str, SplitRecording]
