"""A plain network taken all the way: attach heads, build, drop exits that do not pay, build again, bench every policy.

    python benchmarks/many_exits.py --work many-exits        # ResNet-18, CIFAR-10
    python benchmarks/many_exits.py digits --quick

The goal, against the fastest whole network on this machine: at least 40 % less mean latency at 99 % of its accuracy or
more (PAME reports 39.9 % at 99.68 %, on a GPU). Ctrl-C while heads are trained goes on with the
best so far. With `--work` the attached network is kept there: a later run takes it, or trains on where it was stopped.
The result is written after every policy.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.exit_selection import SEARCH_POLICY, Selection, select_exits
from benchmarks.figure_result import add_common_flags, write_figure
from benchmarks.plain_networks import PLAIN, TRUNK, PlainNetwork, plain_network
from benchmarks.shown_stages import ShownStages
from eecalib.trace import ExitTrace, record_trace
from eecompile.attach.attach import attach
from eecompile.attach.change_heads import attachment_of, choose, prune
from eecompile.attach.settings import AttachSettings
from eecompile.build import BuildReport, BuildSettings, build
from eecompile.checkpoint import load_checkpoint, save_checkpoint
from eecompile.cli.stages import ConsoleStages
from eecompile.train.settings import TrainSettings
from eerun.bench import BenchResult, BenchSettings, Scenario, json_report, run_bench, text_report
from eerun.bundle import open_bundle
from eerun.choose_configuration import choose_configuration
from eerun.data import load_data, make_splits
from eerun.policies import POLICIES, needs_data

HEADS = "linear(4)"
BUILT_POLICIES = [name for name, policy in POLICIES.items() if policy.for_rows and not needs_data(name)]
"""Policies that a build takes for a network with one answer a sample."""

LESS_LATENCY, ACCURACY_KEPT = 0.40, 0.99
PAME = {"less_latency": 0.399, "accuracy_kept": 0.9968, "where": "ICS 2022, abstract; GPU"}
TRAINED_WITH = ("heads", "samples", "epochs", "batch", "train_precision")
SIZES = (*TRAINED_WITH, "max_drop", "measure_seconds", "seconds")
SEED = 0


def attached_network(network: PlainNetwork, work: Path, args: argparse.Namespace) -> tuple[Path, dict[str, Any]]:
    """The checkpoint with trained heads, and what training measured; taken from `work` where it is there."""
    model, record = work / f"{network.name}-attached.pt", work / f"{network.name}-attached.json"
    sizes = {name: getattr(args, name) for name in TRAINED_WITH}
    if not record.exists():
        train = TrainSettings(
            epochs=args.epochs,
            batch=args.batch,
            cache_bytes=args.cache_gib << 30,
            precision=args.train_precision,
            seed=SEED,
        )
        settings = AttachSettings(
            output=model, heads=args.heads, data=str(network.data), factory=network.factory, train=train, resume=True
        )
        with ConsoleStages(verbose=True) as stages:
            report = attach(str(network.model), settings, stages)
        found = {
            "sizes": sizes,
            "heads": report.attachment.heads,
            "chosen": report.attachment.chosen,
            "train": report.train,
        }
        content = msgspec.json.encode(found)
        if not report.train.interrupted:
            record.write_bytes(content)
    else:
        content = record.read_bytes()
    attached: dict[str, Any] = msgspec.json.decode(content)
    if attached["sizes"] != sizes:
        sys.exit(f"{work} has heads trained with {attached['sizes']}, expected {sizes}: give another --work")
    return model, attached


def build_settings(network: PlainNetwork, bundle: Path, policy: str, args: argparse.Namespace) -> BuildSettings:
    """A build as a user makes it."""
    return BuildSettings(
        output=bundle,
        data=str(network.data),
        factory=network.factory,
        policy=policy,
        max_drop=args.max_drop,
        precision="int8" if args.int8 else "auto",
        measure_seconds=args.measure_seconds,
    )


def search(bundle: Path, network: PlainNetwork, args: argparse.Namespace) -> Selection:
    """Record what the exits of a bundle say about *tune*, and find those that pay."""
    opened = open_bundle(bundle)
    way = choose_configuration(opened)
    names = [entry.name for entry in opened.manifest.inputs]
    samples = make_splits(load_data(str(network.data), input_names=names), seed=SEED)["tune"]
    with ConsoleStages(verbose=True) as stages:
        with stages.stage("record exits"):
            trace = record_trace(way.open_chain(), samples, (), stages.progress)
        with stages.stage("search for the exits that pay"):
            assert isinstance(trace, ExitTrace)
            return select_exits(trace, way.costs(), max_drop=args.max_drop, progress=stages.progress)


def keep_exits(model: Path, kept: tuple[int, ...]) -> Path:
    """Write the checkpoint with these exits alone."""
    checkpoint = load_checkpoint(model)
    attachment = attachment_of(checkpoint)
    heads = [next(head for head in attachment.heads if head.name == name) for name in attachment.chosen]
    dropped: dict[str, str | None] = {head.tap: None for index, head in enumerate(heads) if index not in kept}
    target = model.with_name(f"{model.stem}-chosen.pt")
    save_checkpoint(target, prune(choose(checkpoint, dropped)))
    return target


def measure(bundle: Path, report: BuildReport, network: PlainNetwork, args: argparse.Namespace) -> dict[str, Any]:
    """Bench a bundle at batch 32 and one by one."""
    common: dict[str, Any] = {"bundle": bundle, "data": str(network.data), "seed": SEED}
    offline = run_bench(BenchSettings(**common, duration_s=args.seconds), lambda _share: None)
    single = run_bench(
        BenchSettings(**common, duration_s=args.seconds / 2, scenario=Scenario.SINGLESTREAM), lambda _share: None
    )
    print(text_report(offline))
    return {
        "batch_32": summary(offline),
        "one_at_a_time": summary(single),
        "build": report,
        "bench_batch_32": msgspec.Raw(json_report(offline)),
        "bench_one_at_a_time": msgspec.Raw(json_report(single)),
    }


def summary(bench: BenchResult) -> dict[str, Any]:
    """The goal's two numbers, and where samples leave."""
    whole, quality = bench.whole, bench.quality
    assert quality.accuracy is not None
    assert quality.accuracy_whole is not None
    less, kept = 1 - 1 / whole.speedup.totals.value, quality.accuracy / quality.accuracy_whole
    return {
        "chain": f"{bench.subject.engine} {bench.subject.precision}",
        "fastest_whole": whole.words,
        "mean_ms": bench.chain.latency.mean_ms,
        "mean_ms_whole": whole.speed.latency.mean_ms,
        "less_mean_latency": less,
        "speedup": whole.speedup.totals,
        "accuracy": quality.accuracy,
        "accuracy_whole": quality.accuracy_whole,
        "accuracy_kept": kept,
        "hard_input": bench.hard_input.totals,
        "leave_at": {exit_.name: exit_.share for exit_ in bench.exits},
        "goal_met": less >= LESS_LATENCY and kept >= ACCURACY_KEPT,
    }


def row(name: str, found: dict[str, Any]) -> str:
    """One line of the table."""
    parts = []
    for key in ("batch_32", "one_at_a_time"):
        one = found[key]
        parts.append(
            f"{one['mean_ms']:8.2f} ms, whole {one['mean_ms_whole']:8.2f} ms, {-one['less_mean_latency']:+.1%}"
        )
    kept = found["batch_32"]["accuracy_kept"]
    return f"{name:32} {parts[0]} | {parts[1]} | {kept:.2%} of the accuracy, {found['batch_32']['chain']}"


def run(args: argparse.Namespace, work: Path) -> None:
    """All steps; the result is written as it grows."""
    network = plain_network(args.network, work, train=args.samples, test=None)
    model, attached = attached_network(network, work, args)
    goal = {"less_mean_latency": LESS_LATENCY, "accuracy_kept": ACCURACY_KEPT, "pame": PAME}
    sizes = {name: getattr(args, name) for name in SIZES}
    result: dict[str, Any] = {
        "trunk": TRUNK[network.name],
        "sizes": sizes,
        "goal": goal,
        "attached": attached,
        "rows": {},
    }
    bundle = work / f"{network.name}-all.ee"
    report = build(model, build_settings(network, bundle, SEARCH_POLICY, args), ShownStages())
    result["rows"][f"all exits, {SEARCH_POLICY}"] = measure(bundle, report, network, args)
    selection = search(bundle, network, args)
    result["selection"] = selection
    write_figure("many_exits", network.name, result, args)
    if not selection.kept:
        print("no early exit pays: the expected time is least without any")
        return
    chosen = keep_exits(model, selection.kept)
    for policy in args.policy or BUILT_POLICIES:
        bundle = work / f"{network.name}-{policy}.ee"
        report = build(chosen, build_settings(network, bundle, policy, args), ShownStages())
        result["rows"][f"chosen exits, {policy}"] = measure(bundle, report, network, args)
        write_figure("many_exits", network.name, result, args)
    print("\n".join(row(name, found) for name, found in result["rows"].items()))


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("network", nargs="?", default=PLAIN[0], choices=PLAIN)
    parser.add_argument("--heads", default=HEADS, help=f"candidates (default {HEADS})")
    parser.add_argument("--samples", type=int, default=30000, help="training images (default 30000)")
    parser.add_argument("--epochs", type=int, default=4, help="passes over them (default 4)")
    parser.add_argument("--batch", type=int, default=64, help="images a training step (default 64)")
    parser.add_argument("--cache-gib", type=int, default=16, help="most GiB of features on disk (default 16)")
    parser.add_argument("--train-precision", default="bfloat16", help="of training alone (default bfloat16)")
    parser.add_argument("--max-drop", type=float, default=0.01, help="drop to tune for (default 0.01)")
    parser.add_argument("--int8", action="store_true", help="INT8 alone; default: the fastest precision")
    parser.add_argument("--policy", action="append", choices=BUILT_POLICIES, help="default: every policy")
    parser.add_argument(
        "--measure-seconds",
        type=float,
        default=3.0,
        help="of each build's costs, for each engine and precision (default 3)",
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="of each bench at batch 32 (default 20)")
    parser.add_argument("--work", type=Path, help="folder for what can be taken again; default: a temporary one")
    add_common_flags(parser)
    args = parser.parse_args()
    if args.quick:
        args.samples, args.epochs, args.measure_seconds, args.seconds = 400, 1, 0.0, 0.2
    if args.work is not None:
        args.work.mkdir(parents=True, exist_ok=True)
        run(args, args.work)
        return
    with tempfile.TemporaryDirectory() as folder:
        run(args, Path(folder))


if __name__ == "__main__":
    main()
