"""What a user can choose when folding is planned. The flags of `eecompile plan` mirror these fields."""

from dataclasses import dataclass, field

from eecompile.fold.spec import MULTIPLE_OF_8, check_factor, check_widths
from eecompile.fold_plan.intensity import VALUE_BYTES
from eengines.errors import UserError
from eengines.targets import target_by_name

__all__ = ["CPU", "PlanSettings"]

AUTO = "auto"
CPU = "cpu"


@dataclass(frozen=True, kw_only=True)
class PlanSettings:
    """Settings of one run of `eecompile plan`.

    Attributes:
        fold: fold factors to try, see `FACTORS`.
        fold_widths: `multiple-of-8`, or `exact` as published.
        target: name of a card, or `cpu`: this machine.
        batch: images that are there at once.
        precision: one of `float32`, `float16`, `bfloat16` and `int8`; `auto` is float16 on a card, float32 on the CPU.
        peak_tera_ops: 10^12 operations a second of the device, where the user knows it better.
        memory_gigabytes: 10^9 bytes a second of its memory, together with the one before.
        factory: `package.module:function` that makes the network of a checkpoint.
        arch_kwargs: arguments of a network of the zoo.
        input_shape: channels, height and width of an image, for a network of the zoo.

    Raises:
        UserError: a field that does not fit.
    """

    fold: tuple[int, ...] = (2, 3, 4, 8)
    fold_widths: str = MULTIPLE_OF_8
    target: str = CPU
    batch: int = 1024
    precision: str = AUTO
    peak_tera_ops: float | None = None
    memory_gigabytes: float | None = None
    factory: str | None = None
    arch_kwargs: dict[str, object] = field(default_factory=dict)
    input_shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not self.fold or len(set(self.fold)) < len(self.fold):
            got = ",".join(map(str, self.fold)) or "nothing"
            problem = f"got {got}, expected different whole numbers"
            raise UserError("--fold", problem, "Give for example 2,4; the network as it is stands beside them anyway")
        for factor in self.fold:
            check_factor(factor, where="--fold", error=UserError)
        check_widths(self.fold_widths, where="--fold-widths", error=UserError)
        if self.batch < 1:
            raise UserError("--batch", f"got {self.batch}, expected 1 or more", "Give the images that come together")
        if self.precision not in (AUTO, *VALUE_BYTES):
            known = ", ".join((AUTO, *VALUE_BYTES))
            raise UserError("--precision", f"got {self.precision!r}, known are {known}", "Choose one of these")
        target_by_name(self.target)
        figures = (self.peak_tera_ops, self.memory_gigabytes)
        if any(value is not None and not 0 < value < float("inf") for value in figures):
            problem = f"got {figures[0]} and {figures[1]}, expected numbers above 0"
            raise UserError("--peak-tera-ops, --memory-gigabytes", problem, "Correct them")
        if (figures[0] is None) != (figures[1] is None):
            problem = "got one of the two, and the ridge point is their ratio"
            raise UserError("--peak-tera-ops, --memory-gigabytes", problem, "Give both, or none")

    @property
    def value_type(self) -> str:
        """The precision that is meant."""
        if self.precision != AUTO:
            return self.precision
        return "float32" if self.target == CPU else "float16"
