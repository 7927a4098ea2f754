"""Everything that a user can choose for engines of a card. The flags of `eecompile engines` mirror these fields."""

from dataclasses import dataclass
from math import inf

from eengines.backends import DEVICE_BACKENDS
from eengines.errors import UserError
from eengines.targets import PRECISIONS, TARGETS
from eerun.plans import CACHE_BYTES

__all__ = ["LOCAL", "EnginesSettings"]

LOCAL = "local"
"""The card that is here."""

MOST_WORKSPACE_BYTES = 2**40


@dataclass(frozen=True, kw_only=True)
class EnginesSettings:
    """Settings of one run of `eecompile engines`.

    Attributes:
        target: name of a card, see `eengines.targets`, or `local` for the one that is here.
        engine: backend that builds them; `auto`: every one that can.
        precision: of the graphs; `auto`: every one that the bundle has for the card.
        data: `.npz` file, image folder or `package.module:function` to tune thresholds with; None: the `.npz` of the
            bundle's name beside it, and without that the thresholds that the bundle has for the card.
        max_drop: allowed relative drop against the final exit in float32.
        agreement: the drop is in agreement with that exit's answers, not in accuracy.
        max_quant_drop: largest share of answers of the final exit that may differ from float32 on the card, where there
            are data; what differs more is left out.
        buckets: batch sizes to prepare, of a folded network in images and multiples of its factor; None: those that
            the bundle was built with.
        workspace_bytes: most scratch memory of a layer; None: the library's choice.
        optimisation_level: how long the builder searches, 0 to 5; None: the library's choice.
        cache_bytes: most bytes of the plans that are kept in the bundle.
        trust_plans: take plans in the bundle that another user or machine built; a plan can run code.
        device: number of the GPU, as CUDA counts them.
        measure_seconds: how long costs are measured, for each engine and precision.
    """

    target: str = LOCAL
    engine: str = "auto"
    precision: str = "auto"
    data: str | None = None
    max_drop: float = 0.01
    agreement: bool = False
    max_quant_drop: float = 0.01
    buckets: tuple[int, ...] | None = None
    workspace_bytes: int | None = None
    optimisation_level: int | None = None
    cache_bytes: int = CACHE_BYTES
    trust_plans: bool = False
    device: int = 0
    measure_seconds: float = 2.0

    def __post_init__(self) -> None:
        cards = (LOCAL, *(name for name, target in TARGETS.items() if target.compute_capability is not None))
        for flag, value, known in (
            ("--target", self.target, cards),
            ("--engine", self.engine, ("auto", *DEVICE_BACKENDS)),
            ("--precision", self.precision, ("auto", *PRECISIONS)),
        ):
            if value not in known:
                raise UserError(flag, f"got {value!r}, known are {', '.join(known)}", "Choose one of these")
        for flag, share in (("--max-drop", self.max_drop), ("--max-quant-drop", self.max_quant_drop)):
            if not 0 <= share <= 1:
                raise UserError(flag, f"got {share:.3g}, expected 0% to 100%", "Give for example 1%")
        if self.buckets is not None and min(self.buckets, default=0) < 1:
            raise UserError("--buckets", f"got {self.buckets}, expected positive numbers", "List batch sizes: 1,8,32")
        if self.workspace_bytes is not None and not 1 <= self.workspace_bytes <= MOST_WORKSPACE_BYTES:
            raise UserError(
                "--workspace",
                f"got {self.workspace_bytes} bytes, expected 1 to {MOST_WORKSPACE_BYTES}",
                "Give a number of MiB that the card has",
            )
        if self.optimisation_level is not None and not 0 <= self.optimisation_level <= 5:
            raise UserError("--optimisation-level", f"got {self.optimisation_level}, expected 0 to 5", "Choose one")
        if self.cache_bytes < 0 or self.device < 0:
            flag, got = ("--cache-size", self.cache_bytes) if self.cache_bytes < 0 else ("--device", self.device)
            raise UserError(flag, f"got {got}, expected 0 or more", "Give a number that is not negative")
        if not 0 <= self.measure_seconds < inf:
            raise UserError("--measure-seconds", f"got {self.measure_seconds}", "Give 0 or more seconds")
