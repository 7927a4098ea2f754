"""Every exit policy on one network: tuned for one drop, written into the bundle, and raced against the whole network.

    python benchmarks/policies.py resnet56_3
    python benchmarks/policies.py resnet18_8 --select-exits
    python benchmarks/policies.py NAME --bundle model.ee --data data.npz

First all policies are tried on one recording (`eecompile tune --dry-run`): what they expect on *tune*, and what *test*
says. Then each of them is written into a copy of the bundle, with the exits that suit it, and benched at batch 32 and
one by one; expectation and measurement stand side by side. `by hand` is one confidence threshold for all exits, the
lowest of a few round numbers that keeps the drop on *tune*.
"""

import argparse
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.figure_result import add_common_flags, write_figure
from benchmarks.networks import NETWORKS, available
from benchmarks.shown_stages import ShownStages
from eecalib.replay import leave_at
from eecalib.thresholds.problem import required_correct
from eecalib.trace import Recording, play
from eecompile.build import BuildSettings, build
from eecompile.tune import TuneReport, TuneSettings, tune
from eecompile.tune.configuration_to_try import configuration_to_try, configurations_here
from eecompile.tune.trace_bundle import TraceSettings, trace_bundle
from eerun.bench import BenchResult, BenchSettings, Scenario, run_bench
from eerun.bundle import Bundle, Manifest, PolicyFile, bundle_lock, open_bundle, rewrite_bundle
from eerun.choose_configuration import AUTO
from eerun.policies import MaxProbabilityPolicy

BY_HAND = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)
SEED = 0


def built_bundle(args: argparse.Namespace, work: Path) -> tuple[Path, str]:
    """The bundle to tune, and its data: built now, or as given."""
    if args.bundle is not None:
        target = work / "bundle.ee"
        shutil.copytree(args.bundle, target)
        return target, str(args.data)
    available()
    network = NETWORKS[args.network]
    data = str(network.data(work))
    target = work / "bundle.ee"
    settings = BuildSettings(
        output=target, data=data, factory=network.factory, measure_seconds=args.measure_seconds, seed=SEED
    )
    build(network.model, settings, ShownStages())
    return target, data


def tune_settings(args: argparse.Namespace, data: str, **changes: Any) -> TuneSettings:
    """A run as a user makes it."""
    settings = TuneSettings(
        data=data,
        trace=args.trace,
        max_drop=args.max_drop,
        select_exits=args.select_exits,
        measure_seconds=args.measure_seconds,
        seed=SEED,
    )
    return replace(settings, **changes)


def only_what_is_raced(path: Path) -> None:
    """Leave the fastest chain, the fastest whole network and float32 in a bundle: to tune others takes time."""
    ways = configurations_here(open_bundle(path))
    chain = configuration_to_try(ways[0].bundle, ways, engine=AUTO, precision=AUTO)
    whole = min(ways, key=lambda way: way.costs().of_whole().run_ms(0, way.costs().max_batch))
    wanted = {chain.name, whole.name, "onnxruntime-float32"}

    def change(manifest: Manifest) -> Manifest:
        kept = tuple(entry for entry in manifest.configurations if entry.name in wanted)
        return replace(manifest, configurations=kept, targets=())

    with bundle_lock(path):
        rewrite_bundle(path, change, {})


def bench(path: Path, data: str, way: str, seconds: float) -> dict[str, Any]:
    """Race a bundle at batch 32 and one by one."""
    engine, _, precision = way.rpartition("-")
    common: dict[str, Any] = {"bundle": path, "data": data, "engine": engine, "precision": precision, "seed": SEED}
    offline = run_bench(BenchSettings(**common, duration_s=seconds), lambda _share: None)
    single = run_bench(
        BenchSettings(**common, duration_s=seconds / 2, scenario=Scenario.SINGLESTREAM), lambda _share: None
    )
    return {"batch_32": summary(offline), "one_at_a_time": summary(single)}


def summary(result: BenchResult) -> dict[str, Any]:
    """Speed against the fastest whole network, and quality."""
    whole, quality = result.whole, result.quality
    return {
        "fastest_whole": whole.words,
        "mean_ms": result.chain.latency.mean_ms,
        "mean_ms_whole": whole.speed.latency.mean_ms,
        "speedup": whole.speedup.totals,
        "accuracy": quality.accuracy,
        "accuracy_whole": quality.accuracy_whole,
        "agreement": quality.agreement,
        "hard_input": result.hard_input.totals,
        "leave_at": {exit_.name: exit_.share for exit_ in result.exits},
    }


def race(name: str, bundle: Path, data: str, args: argparse.Namespace, tried: TuneReport, work: Path) -> dict[str, Any]:
    """Write one policy into a copy of the bundle, and bench it."""
    copy = work / f"{name}.ee"
    shutil.copytree(bundle, copy)
    engine, _, precision = tried.configuration.rpartition("-")
    report = tune(copy, tune_settings(args, data, policies=(name,), engine=engine, precision=precision), ShownStages())
    measured = bench(copy, data, report.runs.configuration, args.seconds)
    shutil.rmtree(copy)
    return {"tuned": report.policies[0], "measured": measured}


def by_hand(
    bundle: Path, data: str, args: argparse.Namespace, tried: TuneReport, recording: Recording, work: Path
) -> dict[str, Any]:
    """One round confidence threshold for all exits, with max-probability."""
    copy = work / "by-hand.ee"
    shutil.copytree(bundle, copy)
    opened: Bundle = open_bundle(copy)
    entry = next(each for each in opened.manifest.configurations if each.name == tried.configuration)
    threshold = lowest_by_hand(recording, args.max_drop)
    policy = PolicyFile(policy="max-probability", thresholds=(threshold,) * (len(opened.manifest.exits) - 1))
    with bundle_lock(copy):
        rewrite_bundle(copy, lambda manifest: manifest, {entry.policy: policy})
    measured = bench(copy, data, tried.configuration, args.seconds)
    shutil.rmtree(copy)
    return {"threshold": threshold, "measured": measured}


def lowest_by_hand(recording: Recording, max_drop: float) -> float:
    """The lowest of the round numbers that keeps the drop on *tune*; the highest if none does."""
    split = recording.splits["tune"]
    table = play(MaxProbabilityPolicy(), split.trace).table
    required = required_correct(int(split.reference_right.sum()), max_drop)
    for threshold in BY_HAND:
        index = leave_at(table.scores, (threshold,) * (table.exits - 1))
        if int(table.correct[np.arange(table.samples), index].sum()) >= required:
            return threshold
    return BY_HAND[-1]


def line(name: str, found: dict[str, Any]) -> str:
    """One row of the table."""
    parts = [f"{name:26}"]
    for key in ("batch_32", "one_at_a_time"):
        one = found["measured"][key]
        speed = one["speedup"]
        parts.append(f"{speed.value:.2f}x ({speed.low:.2f}-{speed.high:.2f})")
    one = found["measured"]["batch_32"]
    parts.append(f"accuracy {one['accuracy']:.2%} of {one['accuracy_whole']:.2%}, agrees {one['agreement']:.2%}")
    if "tuned" in found:
        tuned = found["tuned"]
        expected = tuned.whole_ms / tuned.tune.batch_ms
        parts.append(f"expected {expected:.2f}x, drop tune {tuned.tune.drop:+.2%} test {tuned.test.drop:+.2%}")
        parts.append(f"{len(tuned.exits)} exits")
    return " | ".join(parts)


def run(args: argparse.Namespace, work: Path) -> None:
    """All steps; the result is written as it grows."""
    bundle, data = built_bundle(args, work)
    only_what_is_raced(bundle)
    args.trace = work / "bundle.trace"
    recording, _, _ = trace_bundle(bundle, TraceSettings(data=data, output=args.trace), ShownStages())
    wanted = tuple(args.policy or ("all",))
    tried = tune(bundle, tune_settings(args, data, policies=wanted, dry_run=True), ShownStages())
    result: dict[str, Any] = {"tried": tried, "raced": {}}
    hand = by_hand(bundle, data, args, tried, recording, work)
    result["raced"]["by hand"] = hand
    print(line("by hand", hand))
    names = list(dict.fromkeys(policy.name for policy in tried.policies))
    for name in names:
        result["raced"][name] = race(name, bundle, data, args, tried, work)
        print(line(name, result["raced"][name]), flush=True)
        write_figure("policies", args.network, result, args)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("network", help=f"one of {', '.join(NETWORKS)}; with --bundle any name for the result")
    parser.add_argument("--bundle", type=Path, help="take this bundle; default: build the network")
    parser.add_argument("--data", type=Path, help="data of that bundle")
    parser.add_argument("--policy", action="append", help="these alone; default: every policy")
    parser.add_argument("--select-exits", action="store_true", help="drop exits that do not pay")
    parser.add_argument("--max-drop", type=float, default=0.01, help="drop to tune for (default 0.01)")
    parser.add_argument("--measure-seconds", type=float, default=2.0, help="of costs (default 2)")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each bench at batch 32 (default 6)")
    add_common_flags(parser)
    args = parser.parse_args()
    if args.quick:
        args.measure_seconds, args.seconds = 0.0, 0.2
    with tempfile.TemporaryDirectory() as folder:
        run(args, Path(folder))


if __name__ == "__main__":
    main()
