"""Everything that a user can choose for `eecompile tune`. Its flags mirror these fields."""

from dataclasses import dataclass
from math import inf
from pathlib import Path

from eecalib.certify import Method
from eecalib.tuning.goal import Goal
from eengines.errors import UserError
from eerun.folding import GroupExit

__all__ = ["TuneSettings"]


@dataclass(frozen=True, kw_only=True)
class TuneSettings:
    """Settings of one run.

    Attributes:
        data: the data of the build: `.npz` file, image folder or `package.module:function`; None: the `.npz` of the
            model's or the bundle's name beside the bundle.
        trace: folder that `eecompile trace` wrote; None: exits are recorded now.
        policies: names of tuners, or `all`.
        max_drop: allowed relative drop; with a budget it is not used.
        budget_ms: what a batch of `batch` may cost on average.
        budget_macs: millions of multiply-accumulates that a sample may cost on average.
        agreement: the drop is in agreement with the final exit in float32, not in accuracy; so it is without labels.
        batch: size of the batches that are expected, of a folded network in images; None: the largest.
        select_exits: drop the exits that do not pay, and merge their segments.
        max_tail: how much longer than the fastest whole network one batch in a hundred may take; None: no limit.
        split_heads: whether heads are graphs of their own; None: where the policy skips exits.
        fold_exit: when a group of a folded network leaves; None: as the bundle says.
        certify: largest risk to promise: of the drop, or of disagreement; None: promise nothing.
        confidence: of the promise.
        certify_method: `betting` or `hoeffding-bentkus`.
        engine: backend of the configuration that policies are tried on; `auto`: that of the trace, or the fastest chain
            on this CPU.
        precision: of its graphs, or `auto`.
        threads: threads of the engine; None: as many as cores.
        measure_seconds: how long costs are measured where graphs change, for each set of graphs.
        seed: of everything that is drawn.
        dry_run: show what would be chosen, and write nothing.
    """

    data: str | None = None
    trace: Path | None = None
    policies: tuple[str, ...] = ("all",)
    max_drop: float = 0.01
    budget_ms: float | None = None
    budget_macs: float | None = None
    agreement: bool = False
    batch: int | None = None
    select_exits: bool = False
    max_tail: float | None = None
    split_heads: bool | None = None
    fold_exit: GroupExit | None = None
    certify: float | None = None
    confidence: float = 0.95
    certify_method: Method = "betting"
    engine: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    measure_seconds: float = 2.0
    seed: int = 0
    dry_run: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.max_drop <= 1:
            raise UserError("--max-drop", f"got {self.max_drop:.3g}, expected 0% to 100%", "Give for example 1%")
        for flag, value in (("--budget-ms", self.budget_ms), ("--budget-macs", self.budget_macs)):
            if value is not None and not 0 < value < inf:
                raise UserError(flag, f"got {value:.3g}, expected more than 0", "Give a positive number")
        if self.budget_ms is not None and self.budget_macs is not None:
            raise UserError("--budget-ms --budget-macs", "got both", "Give one budget")
        if self.batch is not None and self.batch < 1:
            raise UserError("--batch", f"got {self.batch}, expected at least 1", "Give a batch size")
        if self.max_tail is not None and self.max_tail < 0:
            raise UserError("--max-tail", f"got {self.max_tail:.3g}, expected 0 or more", "Give for example 10%")
        if self.split_heads and (self.select_exits or self.budget_macs is not None):
            other = "--select-exits" if self.select_exits else "--budget-macs"
            raise UserError(
                "--split-heads", f"got it together with {other}, which counts heads in segments", "Give one"
            )
        self._check_promise()

    def _check_promise(self) -> None:
        """Limit, confidence and method, and what is drawn and measured."""
        if self.certify is not None and not 0 < self.certify < 1:
            raise UserError("--certify", f"got {self.certify:.3g}, expected more than 0% and less than 100%", "Give 1%")
        if not 0 < self.confidence < 1:
            raise UserError("--confidence", f"got {self.confidence:.3g}, expected 0% to 100%", "Give for example 95%")
        if self.seed < 0:
            raise UserError("--seed", f"got {self.seed}, expected 0 or more", "Give a number that is not negative")
        if not 0 <= self.measure_seconds < inf:
            raise UserError("--measure-seconds", f"got {self.measure_seconds}", "Give 0 or more seconds")

    @property
    def goal(self) -> Goal:
        """What is asked for."""
        budget = self.budget_ms if self.budget_macs is None else self.budget_macs
        return Goal(max_drop=self.max_drop if budget is None else None, budget=budget)
