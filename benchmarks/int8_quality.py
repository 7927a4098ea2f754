"""How well a quantised network answers, exit by exit and as a chain with exits, from the logits of all its exits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.int8_network import Logits, SilentStages
from eecalib.exit_table import ExitTable
from eecalib.replay import leave_at
from eecompile.build.recorded import Recorded
from eecompile.build.settings import BuildSettings
from eecompile.build.tune import Tuned, tune
from eerun.costs import CostTable
from eerun.data import Labels
from eerun.policies import policy_by_name
from eerun.policies.base import State

__all__ = ["Contestant", "Said", "chain_quality", "exit_table", "quality", "right", "said"]

SPLITS = ("tune", "test")


@dataclass(frozen=True, kw_only=True, eq=False)
class Said:
    """What the exits of one network say about *tune* and *test*.

    Attributes:
        logits: by split, `[samples, exits, classes] float32`.
        recorded: answers and scores.
        tuned: thresholds, fitted to these scores on *tune*.
    """

    logits: dict[str, Logits]
    recorded: Recorded
    tuned: Tuned

    def table(self, split: str) -> ExitTable:
        """Answers and scores of one split."""
        return self.recorded.tune if split == "tune" else self.recorded.test


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A quantised network.

    Attributes:
        tool: `ours`, `ort`, `modelopt` or `float32`.
        calibrator: how ranges were chosen.
        calibrate_on: `survivors`, `all`, or a number of images.
        family: whose Q/DQ pattern the graph has.
        engine: what ran it.
    """

    tool: str
    calibrator: str
    calibrate_on: str
    family: str
    engine: str

    @property
    def name(self) -> str:
        """For tables."""
        where = self.family if self.family == self.engine else f"{self.family} in {self.engine}"
        return f"{self.tool} {self.calibrator}, {self.calibrate_on}, {where}"


def exit_table(logits: Logits, labels: Labels | None, policy_name: str) -> ExitTable:
    """Score logits with the numpy form of a policy: the same for every network, whatever ran it."""
    policy, state, scores = policy_by_name(policy_name), None, []
    for index in range(logits.shape[1]):
        given: State | None = state
        score, state = policy.score(logits[:, index], given)
        scores.append(score)
    return ExitTable(scores=np.stack(scores, axis=1), answers=logits.argmax(axis=-1), labels=labels)


def said(
    logits: dict[str, Logits],
    labels: dict[str, Labels | None],
    reference: Recorded | None,
    costs: CostTable,
    settings: BuildSettings,
) -> Said:
    """Tune on what was recorded; `reference` is float32's, None for float32 itself."""
    tune_table, test_table = (exit_table(logits[split], labels[split], settings.policy) for split in SPLITS)
    recorded = Recorded(tune=tune_table, test=test_table)
    tuned = tune(recorded, reference or recorded, costs, settings, SilentStages())
    return Said(logits=logits, recorded=recorded, tuned=tuned)


def quality(found: Said, float32: Said, split: str) -> dict[str, list[float]]:
    """Each exit's accuracy, agreement with float32, and error of the logits relative to their spread over classes."""
    table, reference = found.table(split), float32.table(split)
    expected = float32.logits[split]
    spread = expected - expected.mean(axis=2, keepdims=True)
    error = np.sqrt(((found.logits[split] - expected) ** 2).mean(axis=(0, 2)) / (spread**2).mean(axis=(0, 2)))
    return {
        "accuracy": table.correct.mean(axis=0).tolist(),
        "agreement": (table.answers == reference.answers).mean(axis=0).tolist(),
        "logit_error": error.tolist(),
    }


def right(found: Said, split: str, thresholds: Sequence[float | None]) -> NDArray[np.bool_]:
    """Which samples are answered as labelled where they leave, `[samples]`."""
    table = found.table(split)
    answered: NDArray[np.bool_] = table.correct[np.arange(table.samples), leave_at(table.scores, thresholds)]
    return answered


def chain_quality(found: Said, float32: Said) -> dict[str, object]:
    """The chain on *test* with its own thresholds, and the final exit on those who reach it in float32."""
    report = found.tuned.test
    assert report is not None
    table, reference = found.table("test"), float32.table("test")
    leaves = leave_at(reference.scores, float32.tuned.thresholds)
    deep = leaves == table.exits - 1
    same = leave_at(table.scores, float32.tuned.thresholds) == leaves
    agrees = table.answers[:, -1] == reference.answers[:, -1]
    return {
        "thresholds": list(found.tuned.thresholds),
        "accuracy": report.accuracy,
        "drop_to_float32_final": 1 - (report.accuracy or 0) / float(reference.correct[:, -1].mean()),
        "agreement_with_float32_final": report.agreement,
        "shares": list(report.shares),
        "cost_by_macs": report.expected_ms / report.expected_ms_without_exits,
        "same_exit_as_float32_at_its_thresholds": float(same.mean()),
        "final_exit_on_survivors": {
            "samples": int(deep.sum()),
            "accuracy": float(table.correct[deep, -1].mean()),
            "agreement": float(agrees[deep].mean()),
        },
    }
