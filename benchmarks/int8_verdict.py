"""Compare quantised networks sample by sample: calibrators, survivors or all, families of engines, rivals."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.int8_quality import Contestant, Said, right
from eecalib.replay import leave_at
from eerun.bench.statistics import Estimate, bootstrap

__all__ = ["calibrators", "decisions", "rivals", "survivors"]

SEED = 0

Everyone = Mapping[Contestant, Said]
Figure = Callable[[Said], NDArray[np.float64]]
"""One number a sample."""


def calibrators(everyone: Everyone, float32: Said) -> list[dict[str, Any]]:
    """For each calibrator and way to calibrate, on *tune*: mean over engines and exits, best agreement first.

    The differences are to min-max on all samples, paired by sample, with a bootstrap interval over the samples.
    """
    ours = _ours(everyone)
    ways = sorted({(c.calibrator, c.calibrate_on) for c in ours})
    reference = float32.table("tune").answers

    def agreement(found: Said) -> NDArray[np.float64]:
        agrees: NDArray[np.float64] = (found.table("tune").answers == reference).mean(axis=1)
        return agrees

    def mean(way: tuple[str, str], figure: Figure) -> NDArray[np.float64]:
        return _mean([figure(s) for c, s in ours.items() if (c.calibrator, c.calibrate_on) == way])

    def squared_error(found: Said) -> NDArray[np.float64]:
        return _squared_error(found, float32, "tune")

    base = mean(("min-max", "all"), agreement)
    rows = [
        {
            "calibrator": way[0],
            "calibrate_on": way[1],
            "agreement": float(mean(way, agreement).mean()),
            "agreement_above_min_max": _estimate(mean(way, agreement) - base),
            "logit_error": float(np.sqrt(mean(way, squared_error).mean())),
        }
        for way in ways
    ]
    return sorted(rows, key=lambda row: -row["agreement"])


def survivors(everyone: Everyone, float32: Said) -> list[dict[str, Any]]:
    """For each calibrator, on *test*: what calibrating on survivors adds to calibrating on all, mean over engines."""
    ours, deep = _ours(everyone), _deep(float32)
    reference = float32.table("test").answers[:, -1]
    figures: dict[str, Figure] = {
        "chain_accuracy": lambda s: right(s, "test", s.tuned.thresholds).astype(np.float64),
        "survivors_final_accuracy": lambda s: s.table("test").correct[deep, -1].astype(np.float64),
        "survivors_final_agreement": lambda s: (s.table("test").answers[:, -1] == reference)[deep].astype(np.float64),
        "survivors_final_squared_error": lambda s: _squared_error(s, float32, "test", exits=[-1])[deep],
    }
    rows = []
    for calibrator in sorted({c.calibrator for c in ours}):
        row: dict[str, Any] = {"calibrator": calibrator, "survivors": int(deep.sum())}
        for name, figure in figures.items():
            by_way = {
                way: _mean([figure(s) for c, s in ours.items() if (c.calibrator, c.calibrate_on) == (calibrator, way)])
                for way in ("survivors", "all")
            }
            row[name] = {"all": float(by_way["all"].mean()), "gain": _estimate(by_way["survivors"] - by_way["all"])}
        rows.append(row)
    return rows


def decisions(everyone: Everyone, calibrator: str, calibrate_on: str) -> list[dict[str, Any]]:
    """For each two lowerings of the same ranges, on *test*: share of samples with the same exit, and the same answer.

    Both are sent through the thresholds of the first.
    """
    same = [
        (c, s) for c, s in everyone.items() if (c.tool, c.calibrator, c.calibrate_on) == _ways(calibrator, calibrate_on)
    ]
    rows = []
    for (one, left), (other, right_) in combinations(same, 2):
        tables = [left.table("test"), right_.table("test")]
        leaves = [leave_at(table.scores, left.tuned.thresholds) for table in tables]
        answers = [t.answers[np.arange(t.samples), index] for t, index in zip(tables, leaves, strict=True)]
        rows.append(
            {
                "between": [f"{c.family} in {c.engine}" for c in (one, other)],
                "same_exit": float((leaves[0] == leaves[1]).mean()),
                "same_answer": float((answers[0] == answers[1]).mean()),
            }
        )
    return rows


def rivals(ours: Everyone, others: Everyone, float32: Said) -> list[dict[str, Any]]:
    """For each rival and each of our graphs of the same family, on *test*: ours less the rival's, paired by sample."""
    reference = float32.table("test").answers
    figures: dict[str, Figure] = {
        "final_accuracy": lambda s: s.table("test").correct[:, -1].astype(np.float64),
        "final_agreement": lambda s: (s.table("test").answers == reference)[:, -1].astype(np.float64),
        "all_exits_agreement": lambda s: (s.table("test").answers == reference).mean(axis=1),
        "chain_accuracy": lambda s: right(s, "test", s.tuned.thresholds).astype(np.float64),
    }
    return [
        {"rival": c.name, "ours": own.name}
        | {name: _estimate(figure(mine) - figure(theirs)) for name, figure in figures.items()}
        for c, theirs in others.items()
        for own, mine in ours.items()
        if own.family == c.family
    ]


def _ways(calibrator: str, calibrate_on: str) -> tuple[str, str, str]:
    return ("ours", calibrator, calibrate_on)


def _ours(everyone: Everyone) -> Everyone:
    """This project's graphs: each family once, in its own engine where that can be had here."""
    return {c: s for c, s in everyone.items() if c.tool == "ours" and not (c.family == "openvino" != c.engine)}


def _deep(float32: Said) -> NDArray[np.bool_]:
    """Which *test* samples reach the final exit in float32."""
    table = float32.table("test")
    deep: NDArray[np.bool_] = leave_at(table.scores, float32.tuned.thresholds) == table.exits - 1
    return deep


def _squared_error(found: Said, float32: Said, split: str, exits: Sequence[int] | None = None) -> NDArray[np.float64]:
    """Squared error of the logits relative to their spread over classes, mean over exits, `[samples]`."""
    index = slice(None) if exits is None else list(exits)
    expected = float32.logits[split][:, index].astype(np.float64)
    spread = ((expected - expected.mean(axis=2, keepdims=True)) ** 2).mean(axis=(0, 2))
    error = ((found.logits[split][:, index] - expected) ** 2).mean(axis=2) / spread
    mean: NDArray[np.float64] = error.mean(axis=1)
    return mean


def _mean(arrays: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = np.mean(np.stack(arrays), axis=0)
    return mean


def _estimate(differences: NDArray[np.float64]) -> Estimate:
    return bootstrap(len(differences), lambda pick: float(differences[pick].mean()), seed=SEED)
