"""What tuners do offline, on one recording: EENet's budgets, certificates, and how long a search takes.

    eecompile trace model.ee -o model.trace
    python benchmarks/tuning.py resnet56_3 --bundle model.ee --trace model.trace

1. EENet: ten budgets between the first exit's cost and the whole chain's, and what a batch costs on *test*.
2. Certificates: every policy, several limits; what was promised, and what *test* says. A promise that *test* breaks by
   chance alone is counted as broken.
3. Time and memory of all policies on 10,000 samples with five exits: all splits of the recording together, and where
   these are fewer, some of them again with a little noise on their logits, so that no two rows are the same.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from time import perf_counter
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.figure_result import add_common_flags, write_figure
from eecalib.certify import accuracy_losses, certify
from eecalib.exit_choice.merged_costs import merged_costs
from eecalib.trace import ExitTrace, Recording, open_recording
from eecalib.tuning import Candidate, TuningData, evaluate
from eecalib.tuning.eenet import eenet_for_budget
from eecalib.tuning.goal import Goal
from eecalib.tuning.ladder import ladder_of
from eecalib.tuning.logits_of import logits_of
from eecalib.tuning.share_cost import ShareCost
from eecalib.tuning.try_tuner import try_tuner
from eecalib.tuning.tuners import TUNERS
from eerun.bundle import Bundle, open_bundle

BUDGETS = 10
LIMITS = (0.01, 0.02, 0.03)
CONFIDENCES = (0.9, 0.95)
SAMPLES, EXITS = 10_000, 5
NOISE = 0.01
"""Of rows that are taken again: its standard deviation, as a share of that of the logits."""

QUICK_SAMPLES, QUICK_BUDGETS, QUICK_POLICIES = 400, 2, ("max-probability", "gati")
"""In a quick run: of each split, budgets, and policies that are certified."""

SEED = 0


def tuning_data(recording: Recording, bundle: Bundle, split: str, *, batch: int) -> TuningData:
    """One split, with the costs of the configuration that was recorded."""
    entry = next(each for each in bundle.manifest.configurations if each.name == recording.configuration)
    found = recording.splits[split].against(agreement=False)
    return TuningData(
        trace=found.trace, reference_right=found.reference_right, costs=bundle.costs(entry), batch=batch, seed=SEED
    )


def few(data: TuningData, samples: int) -> TuningData:
    """Some of the samples, at random."""
    return data.rows(np.random.default_rng(SEED).permutation(data.samples)[:samples])


def budgets(tune: TuningData, test: TuningData, count: int) -> list[dict[str, Any]]:
    """What EENet and its two baselines cost and answer on samples that they were not fitted to."""
    cost = ShareCost(cost=tune.cost)
    rows = []
    for budget_ms in np.linspace(cost.most_ms, cost.least_ms, count + 2)[1:-1].tolist():
        row: dict[str, Any] = {"budget_ms": budget_ms}
        for candidate in eenet_for_budget(tune, budget_ms):
            here, there = evaluate(candidate, tune), evaluate(candidate, test)
            row[candidate.tuner] = {
                "tune_ms": here.expected_ms,
                "test_ms": there.expected_ms,
                "against_budget": there.expected_ms / budget_ms - 1,
                "accuracy_test": there.correct / test.samples,
            }
        rows.append(row)
    return rows


def promises(
    tune: TuningData, certified: TuningData, test: TuningData, policies: Sequence[str]
) -> list[dict[str, Any]]:
    """Certify policies at every limit, each tuned for a drop of that much, and look at *test*."""
    rows = []
    for name in policies:
        for limit, candidate in zip(LIMITS, TUNERS[name].frontier(tune, LIMITS), strict=True):
            ladder = ladder_of(candidate, tune, limit, budget=None)
            rows += [
                {"policy": name, "limit": limit, "confidence": confidence}
                | promise(ladder, certified, test, limit, confidence)
                for confidence in CONFIDENCES
            ]
    return rows


def promise(
    ladder: tuple[Candidate, ...], certified: TuningData, test: TuningData, limit: float, confidence: float
) -> dict[str, Any]:
    """The fastest candidate that can be promised, and its drop on *test*."""
    losses = [accuracy_losses(certified.reference_right, evaluate(each, certified).right) for each in ladder]
    found = certify(losses, limit=limit, confidence=confidence)
    if found.index is None:
        return {"certified": False}
    outcome = evaluate(ladder[found.index], test)
    drop = 1 - outcome.correct / test.reference_correct
    whole_ms = test.costs.of_whole().run_ms(0, test.batch)
    return {
        "certified": True,
        "bound": found.bounds[found.index],
        "drop_certify": losses[found.index].risk,
        "drop_test": drop,
        "held_on_test": drop <= limit,
        "expected_ms_test": outcome.expected_ms,
        "speed_test": whole_ms / outcome.expected_ms,
    }


def joined(parts: Sequence[TuningData], samples: int) -> tuple[TuningData, int]:
    """So many samples of all splits, in random order, and how many of them were recorded; see `NOISE` for the rest."""
    random = np.random.default_rng(SEED)
    traces = [logits_of(part.trace, "the benchmark") for part in parts]
    logits = np.concatenate([trace.logits for trace in traces])
    order = random.permutation(len(logits))
    again = random.integers(0, len(logits), max(0, samples - len(logits)))
    rows = np.concatenate([order[:samples], again])
    noise = random.normal(0, NOISE * logits.std(), (len(again), *logits.shape[1:]))
    drawn = np.concatenate([logits[order[:samples]], (logits[again] + noise).astype(np.float32)])
    labels = np.concatenate([part.trace.labels for part in parts])[rows]
    right = np.concatenate([part.reference_right for part in parts])[rows]
    data = replace(parts[0], trace=ExitTrace(logits=drawn, labels=labels), reference_right=right)
    return data, len(rows) - len(again)


def search_time(parts: Sequence[TuningData], samples: int) -> dict[str, Any]:
    """Seconds of every policy, and the most memory that this process held."""
    found, recorded = joined(parts, samples)
    exits = min(EXITS, found.trace.exits)
    kept = tuple(np.unique(np.linspace(0, found.trace.exits - 2, exits - 1).round().astype(int)).tolist())
    data = replace(found, trace=found.trace.of_exits(kept), costs=merged_costs(found.costs, kept))
    seconds = {}
    for name, tuner in TUNERS.items():
        started = perf_counter()
        try_tuner(tuner, data, Goal(max_drop=0.01, budget=None))
        seconds[name] = perf_counter() - started
        print(f"  {name}: {seconds[name]:.2f} s")
    return {
        "samples": data.samples,
        "samples_recorded": recorded,
        "samples_with_noise": data.samples - recorded,
        "exits": len(kept) + 1,
        "seconds": seconds,
        "seconds_together": sum(seconds.values()),
        "peak_bytes": getrusage(RUSAGE_SELF).ru_maxrss * 1024,
    }


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("network", help="name for the result")
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle")
    parser.add_argument("--trace", type=Path, required=True, help="its trace")
    parser.add_argument("--batch", type=int, default=32, help="batch size (default 32)")
    add_common_flags(parser)
    args = parser.parse_args()
    recording, bundle = open_recording(args.trace), open_bundle(args.bundle)
    tune, certified, test = (
        tuning_data(recording, bundle, split, batch=args.batch) for split in ("tune", "certify", "test")
    )
    if args.quick:
        tune, certified, test = (few(data, QUICK_SAMPLES) for data in (tune, certified, test))
    count, policies = (QUICK_BUDGETS, QUICK_POLICIES) if args.quick else (BUDGETS, tuple(TUNERS))
    result: dict[str, Any] = {"eenet_budgets": budgets(tune, test, count)}
    for row in result["eenet_budgets"]:
        parts = [
            f"{name} {row[name]['against_budget']:+.1%} {row[name]['accuracy_test']:.2%}"
            for name in row
            if "ee" in name
        ]
        print(f"budget {row['budget_ms']:.2f} ms: {', '.join(parts)}")
    result["promises"] = promises(tune, certified, test, policies)
    made = [row for row in result["promises"] if row["certified"]]
    broken = [row for row in made if not row["held_on_test"]]
    print(f"promises: {len(made)} of {len(result['promises'])} could be made, {len(broken)} of them broken on test")
    result["promises_made"], result["promises_broken_on_test"] = len(made), len(broken)
    result["search"] = search_time((tune, certified, test), QUICK_SAMPLES if args.quick else SAMPLES)
    print(f"search: {result['search']['seconds_together']:.1f} s, {result['search']['peak_bytes'] / 2**20:.0f} MiB")
    write_figure("tuning", args.network, result, args)


if __name__ == "__main__":
    main()
