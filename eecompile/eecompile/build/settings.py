"""Everything that a user can choose for a build. The flags of `eecompile build` mirror these fields."""

from dataclasses import dataclass
from math import inf
from pathlib import Path

from eecalib.int8.calibrators import calibrator_by_name
from eengines.backends import BACKENDS
from eengines.errors import UserError
from eengines.targets import PRECISIONS, Target, check_precision, target_by_name
from eerun.folding import GroupExit, rows_of

__all__ = ["BuildSettings", "default_buckets", "default_lengths"]


CALIBRATE_ON = ("survivors", "all")


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
        sequence_max: greatest length along the second symbolic axis of an ONNX graph's inputs.
        policy: the exit policy.
        max_drop: allowed relative drop against the final exit.
        agreement: the drop is in agreement with the final exit's answers, not in accuracy.
        thresholds: thresholds by hand, one for each exit but the last; NaN stands for `never`.
        max_batch: the largest batch that runs together, in samples; of a folded network in images, rounded up to whole
            groups.
        buckets: batch sizes to prepare, of a folded network multiples of its factor; None: powers of two, of a folded
            network of groups, up to `max_batch`.
        lengths: sequence lengths to prepare, for a network that has such an axis; None: powers of two from 16 to the
            greatest.
        precision: `auto` takes the fastest that keeps `max_quant_drop`; or `float32`, `float16`, `bfloat16`, `int8`.
            With a GPU target it is the precision of that target's graphs, all that it has for `auto`.
        int8: short for `precision="int8"`.
        fp16: short for `precision="float16"`; with `int8`, what is not INT8 is float16 (GPU targets).
        target: devices that graphs are lowered for besides this machine's CPU, `t4` or `t4,v100`; see
            `eengines.targets`.
        max_quant_drop: largest share of answers that may differ from float32.
        calibrator: how INT8 ranges are chosen: `min-max`, `percentile`, `entropy` or `mse`.
        calibrate_on: `all` samples, or `survivors`: a segment on those that reach it under the tuned thresholds.
        keep_float: names of nodes, or of exits for their whole head (of the last: what makes its logits), that stay in
            float.
        engine: backend that runs the bundle; `auto`: the fastest.
        threads: threads of the engine; None: as many as cores.
        measure_seconds: how long costs are measured, for each engine and precision.
        seed: seed of the data splits.
        fold_exit: when a group of a folded network leaves.
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
    sequence_max: int | None = None
    policy: str = "max-probability"
    max_drop: float = 0.01
    agreement: bool = False
    thresholds: tuple[float, ...] | None = None
    max_batch: int = 32
    buckets: tuple[int, ...] | None = None
    lengths: tuple[int, ...] | None = None
    precision: str = "auto"
    int8: bool = False
    fp16: bool = False
    target: str = "cpu"
    max_quant_drop: float = 0.01
    calibrator: str = "mse"
    calibrate_on: str = "all"
    keep_float: tuple[str, ...] | None = None
    engine: str = "auto"
    threads: int | None = None
    measure_seconds: float = 2.0
    seed: int = 0
    fold_exit: GroupExit = GroupExit.ALL

    def __post_init__(self) -> None:
        if not 0 <= self.max_drop <= 1:
            raise UserError("--max-drop", f"got {self.max_drop:.3g}, expected 0% to 100%", "Give for example 1%")
        if not 0 <= self.max_quant_drop <= 1:
            raise UserError(
                "--max-quant-drop", f"got {self.max_quant_drop:.3g}, expected 0% to 100%", "Give for example 0.5%"
            )
        if self.calibrate_on not in CALIBRATE_ON:
            raise UserError(
                "--calibrate-on", f"got {self.calibrate_on!r}, expected survivors or all", "Choose one of these"
            )
        self._check_precision()
        if self.seed < 0:
            raise UserError("--seed", f"got {self.seed}, expected 0 or more", "Give a number that is not negative")
        if self.max_batch < 1:
            raise UserError("--max-batch", f"got {self.max_batch}, expected at least 1", "Give a positive number")
        if not 0 <= self.measure_seconds < inf:
            raise UserError("--measure-seconds", f"got {self.measure_seconds}", "Give 0 or more seconds")
        calibrator_by_name(self.calibrator)
        if self.engine not in ("auto", *BACKENDS):
            known = ", ".join(("auto", *BACKENDS))
            raise UserError("--engine", f"got {self.engine!r}, known are {known}", "Choose one of these")
        if self.buckets is not None and (
            not self.buckets or min(self.buckets) < 1 or max(self.buckets) != self.max_batch
        ):
            raise UserError(
                "--buckets",
                f"got {self.buckets}, expected positive numbers up to the largest batch {self.max_batch}",
                "List batch sizes, the last equal to --max-batch",
            )

        self._check_lengths()

    def _check_lengths(self) -> None:
        """Lengths that a sequence can have."""
        if self.sequence_max is not None and self.sequence_max < 2:
            raise UserError("--sequence-max", f"got {self.sequence_max}, expected at least 2", "Give a greater length")
        lengths = self.lengths
        if lengths is not None and (not lengths or min(lengths) < 1 or list(lengths) != sorted(set(lengths))):
            raise UserError(
                "--lengths", f"got {lengths}, expected ascending lengths of 1 or more", "Give e.g. 16,32,64"
            )

    def _check_precision(self) -> None:
        """One precision, and one that the target has."""
        if self.precision not in ("auto", *PRECISIONS):
            known = ", ".join(("auto", *PRECISIONS))
            raise UserError("--precision", f"got {self.precision!r}, known are {known}", "Choose one of these")
        short = ["int8"] * self.int8 + ["float16"] * (self.fp16 and not self.int8)
        if short and self.precision not in ("auto", *short):
            flag = "--int8" if self.int8 else "--fp16"
            raise UserError(flag, f"got it together with --precision {self.precision}", "Give one of the two")
        for target in self.targets:
            if self.wanted != "auto":
                check_precision(target, self.wanted)
        if self.int8 and self.fp16:
            if not self.gpus:
                raise UserError(
                    "--int8 --fp16", "on a CPU what is not INT8 stays float32", "Give one of the two, or a GPU target"
                )
            for target in self.gpus:
                check_precision(target, "float16")

    @property
    def targets(self) -> tuple[Target, ...]:
        """The devices that are named, each once."""
        return tuple(target_by_name(name.strip()) for name in dict.fromkeys(self.target.split(",")))

    @property
    def gpus(self) -> tuple[Target, ...]:
        """Those of them that graphs are lowered for besides this machine's CPU."""
        return tuple(target for target in self.targets if target.compute_capability is not None)

    @property
    def wanted(self) -> str:
        """The precision that the user wants, or `auto`."""
        return "int8" if self.int8 else "float16" if self.fp16 else self.precision

    @property
    def wanted_here(self) -> str:
        """The precision that the user wants on this machine; with a GPU target, that is for the GPU alone."""
        return "auto" if self.gpus else self.wanted

    def accepts(self, engine: str, precision: str) -> bool:
        """Whether the user lets the build choose this engine and precision."""
        return self.engine in ("auto", engine) and self.wanted_here in ("auto", precision)

    def row_buckets(self, fold: int) -> tuple[int, ...]:
        """Batch sizes to prepare, ascending, in rows of the graphs.

        Args:
            fold: images a row; 1: a row is a sample.

        Raises:
            UserError: buckets by hand that are no whole groups.
        """
        if not self.buckets:
            return default_buckets(rows_of(self.max_batch, fold))
        if any(bucket % fold for bucket in self.buckets):
            got = ",".join(map(str, self.buckets))
            problem = f"got {got} for a network folded by {fold}, expected multiples of {fold}"
            raise UserError("--buckets", problem, f"Give for example {fold},{4 * fold}, the last equal to --max-batch")
        return tuple(sorted({bucket // fold for bucket in self.buckets}))


def default_buckets(max_batch: int) -> tuple[int, ...]:
    """Powers of two below `max_batch`, and `max_batch`."""
    powers = [1 << i for i in range(max_batch.bit_length()) if 1 << i < max_batch]
    return (*powers, max_batch)


def default_lengths(greatest: int) -> tuple[int, ...]:
    """Powers of two from 16 below the greatest length, and that."""
    return (*(1 << i for i in range(4, greatest.bit_length()) if 1 << i < greatest), greatest)
