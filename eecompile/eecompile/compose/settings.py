"""Everything that a user can choose for `eecompile compose`. Its flags mirror these fields."""

from dataclasses import dataclass
from math import inf
from pathlib import Path

from eecalib.composition import SCORES, Limits
from eengines.backends import BACKENDS
from eengines.errors import UserError

__all__ = ["PRECISIONS", "ComposeSettings"]

PRECISIONS = ("float32", "bfloat16", "float16")
"""Heads are measured without calibration, so not in INT8."""


@dataclass(frozen=True, kw_only=True)
class ComposeSettings:
    """Settings of one run.

    Attributes:
        data: `.npz` file, image folder or `package.module:function`; None: the `.npz` of the model's name beside it.
        factory: `package.module:function` that makes the trunk.
        output: the checkpoint to write; None: show what would be chosen, and write nothing.
        prune: leave out heads that are no exits.
        policy: the score that decides who leaves.
        max_drop: allowed relative drop against the final exit.
        agreement: the drop is in agreement with the final exit, not in accuracy; so it is without labels.
        max_tail: how much longer than the network without heads a batch may take in which nobody leaves; None: no
            limit.
        max_memory_bytes: of the weights of all exits' heads together; None: no limit.
        min_precision: of those that leave at an exit, the least share whose answer is that of the final exit, or right;
            None: no limit.
        max_exits: early exits at most; None: one at each tap.
        batch: size of the batches that are expected.
        engine: backend that heads are measured in; `auto`: the one that runs the whole network fastest.
        precision: of the graphs: `float32`, `bfloat16` or `float16`.
        threads: threads of the engine; None: as many as cores.
        measure_seconds: how long costs are measured, for each set of graphs.
        seed: of the data splits and of everything that is drawn.
    """

    data: str | None = None
    factory: str | None = None
    output: Path | None = None
    prune: bool = False
    policy: str = "margin"
    max_drop: float = 0.01
    agreement: bool = False
    max_tail: float | None = None
    max_memory_bytes: int | None = None
    min_precision: float | None = None
    max_exits: int | None = None
    batch: int = 32
    engine: str = "auto"
    precision: str = "float32"
    threads: int | None = None
    measure_seconds: float = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        for flag, share in (("--max-drop", self.max_drop), ("--min-precision", self.min_precision)):
            if share is not None and not 0 <= share <= 1:
                raise UserError(flag, f"got {share:.3g}, expected 0% to 100%", "Give for example 1%")
        if self.max_tail is not None and not 0 <= self.max_tail < inf:
            raise UserError("--max-tail", f"got {self.max_tail:.3g}, expected 0 or more", "Give for example 10%")
        least = {"--max-memory": (self.max_memory_bytes, 0), "--max-exits": (self.max_exits, 1)}
        least |= {"--batch": (self.batch, 1), "--seed": (self.seed, 0)}
        for flag, (value, bound) in least.items():
            if value is not None and value < bound:
                raise UserError(flag, f"got {value}, expected at least {bound}", "Give a greater number")
        if not 0 <= self.measure_seconds < inf:
            raise UserError("--measure-seconds", f"got {self.measure_seconds}", "Give 0 or more seconds")
        named = {"--policy": (self.policy, SCORES), "--engine": (self.engine, ("auto", *BACKENDS))}
        named |= {"--precision": (self.precision, PRECISIONS)}
        for flag, (word, known) in named.items():
            if word not in known:
                raise UserError(flag, f"got {word!r}, expected one of {', '.join(known)}", "Choose one of these")

    @property
    def limits(self) -> Limits:
        """What the composition must keep."""
        return Limits(
            max_drop=self.max_drop,
            max_tail=self.max_tail,
            max_memory_bytes=self.max_memory_bytes,
            min_precision=self.min_precision,
            max_exits=self.max_exits,
        )
