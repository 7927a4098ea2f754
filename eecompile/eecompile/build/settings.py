"""Everything that a user can choose for a build. The flags of `eecompile build` mirror these fields."""

from dataclasses import dataclass
from pathlib import Path

from eengines.errors import UserError

__all__ = ["BuildSettings", "default_buckets"]


@dataclass(frozen=True, kw_only=True)
class BuildSettings:
    """Settings of one build.

    Attributes:
        output: the bundle's folder; None: the model's name with `.ee`, beside the model.
        data: `.npz` file, image folder or `package.module:function`; None: the `.npz` of the model's name beside it.
        factory: `package.module:function` that makes the network of a checkpoint.
        exits: outputs of an ONNX graph that are exits, shallow to deep; None: all, in order.
        trust: load formats that can run code.
        input_shape: shape of a sample, for formats that do not say it.
        input_dtype: dtype of a raw sample, for formats other than the project's checkpoint.
        layout: `NCHW` or `NHWC`: how raw samples are stored, for formats other than the project's checkpoint.
        scale: factor on raw samples, for formats other than the project's checkpoint.
        mean: subtracted after scaling, one number or one a channel.
        std: divisor after that, one number or one a channel.
        policy: the exit policy.
        max_drop: allowed relative drop against the final exit.
        agreement: the drop is in agreement with the final exit's answers, not in accuracy.
        thresholds: thresholds by hand, one for each exit but the last; NaN stands for `never`.
        max_batch: the largest batch that runs together.
        buckets: batch sizes to prepare; None: powers of two up to `max_batch`.
        engine: backend that is measured.
        threads: threads of the engine; None: as many as cores.
        measure_seconds: how long costs are measured.
        seed: seed of the data splits.
    """

    output: Path | None = None
    data: str | None = None
    factory: str | None = None
    exits: tuple[str, ...] | None = None
    trust: bool = False
    input_shape: tuple[int, ...] | None = None
    input_dtype: str | None = None
    layout: str | None = None
    scale: float | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    policy: str = "max-probability"
    max_drop: float = 0.01
    agreement: bool = False
    thresholds: tuple[float, ...] | None = None
    max_batch: int = 32
    buckets: tuple[int, ...] | None = None
    engine: str = "auto"
    threads: int | None = None
    measure_seconds: float = 4.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.max_drop <= 1:
            raise UserError("--max-drop", f"got {self.max_drop:.3g}, expected 0% to 100%", "Give for example 1%")
        if self.seed < 0:
            raise UserError("--seed", f"got {self.seed}, expected 0 or more", "Give a number that is not negative")
        if self.max_batch < 1:
            raise UserError("--max-batch", f"got {self.max_batch}, expected at least 1", "Give a positive number")
        if self.measure_seconds < 0:
            raise UserError("--measure-seconds", f"got {self.measure_seconds}", "Give 0 or more seconds")
        if self.buckets is not None and (
            not self.buckets or min(self.buckets) < 1 or max(self.buckets) != self.max_batch
        ):
            raise UserError(
                "--buckets",
                f"got {self.buckets}, expected positive numbers up to the largest batch {self.max_batch}",
                "List batch sizes, the last equal to --max-batch",
            )

    @property
    def all_buckets(self) -> tuple[int, ...]:
        """Batch sizes to prepare, ascending."""
        return tuple(sorted(set(self.buckets))) if self.buckets else default_buckets(self.max_batch)


def default_buckets(max_batch: int) -> tuple[int, ...]:
    """Powers of two below `max_batch`, and `max_batch`."""
    powers = [1 << i for i in range(max_batch.bit_length()) if 1 << i < max_batch]
    return (*powers, max_batch)
