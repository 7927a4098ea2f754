"""What a profile of one batch on a device found."""

from dataclasses import dataclass

__all__ = ["ChainProfile", "StepProfile", "WholeProfile"]

US_PER_MS = 1e3


@dataclass(frozen=True, kw_only=True)
class StepProfile:
    """One segment and its exit, medians over rounds.

    Attributes:
        rows: bucket that it ran in.
        survivors: rows that went on after it: samples, of a folded network groups.
        segment_ms: the segment alone.
        decision_us: the exit kernel when it decides and answers but moves nothing.
        exit_us: the exit kernel as it is: with the survivors' moves.
        boundary_us: from the end of the segment to the start of the next, when the host decides: exit kernel, the
            host's wake-up, launch; None: the batch ended here.
    """

    rows: int
    survivors: int
    segment_ms: float
    decision_us: float
    exit_us: float
    boundary_us: float | None

    @property
    def compaction_us(self) -> float:
        """What moving the survivors takes; about 0 where none moved."""
        return self.exit_us - self.decision_us


@dataclass(frozen=True, kw_only=True)
class ChainProfile:
    """One batch of a chain, medians over rounds; times of the device but for `host_ms`.

    Attributes:
        samples: of the batch.
        rounds: how many rounds.
        copy_in_ms: samples and thresholds, from pinned memory.
        steps: the segments that ran.
        host_ms: of the host: staging the samples and enqueueing everything, not waiting.
    """

    samples: int
    rounds: int
    copy_in_ms: float
    steps: tuple[StepProfile, ...]
    host_ms: float

    @property
    def copy_out_ms(self) -> float:
        """The last exit's kernel, which only writes answers to the host's memory; earlier ones write theirs alike."""
        return self.steps[-1].exit_us / US_PER_MS

    @property
    def compute_ms(self) -> float:
        """All segments, and all exit kernels but the last."""
        exits_us = sum(step.exit_us for step in self.steps[:-1])
        return sum(step.segment_ms for step in self.steps) + exits_us / US_PER_MS

    @property
    def gpu_ms(self) -> float:
        """All that the device does."""
        return self.copy_in_ms + self.compute_ms + self.copy_out_ms


@dataclass(frozen=True, kw_only=True)
class WholeProfile:
    """One batch of the network without exit heads, medians over rounds; times of the device but for `host_ms`.

    Attributes:
        samples: of the batch.
        rounds: how many rounds.
        copy_in_ms: samples, from pinned memory.
        compute_ms: the network.
        copy_out_ms: its logits, to pinned memory.
        host_ms: of the host: staging the samples and enqueueing everything, not waiting.
    """

    samples: int
    rounds: int
    copy_in_ms: float
    compute_ms: float
    copy_out_ms: float
    host_ms: float

    @property
    def gpu_ms(self) -> float:
        """All that the device does."""
        return self.copy_in_ms + self.compute_ms + self.copy_out_ms
