"""Exits and length buckets on texts: an encoder is trained, gets exits, and races the whole network, padded or not.

    python benchmarks/text.py                    # SST-2, where it is beside the checkout; else docstrings
    python benchmarks/text.py --quick            # is everything there?

It runs the commands of `examples/text`, at a larger size. Without length buckets every text is padded to 64 tokens.
All contestants take turns on the same batches of the test texts, which no weight and no threshold has seen. With
`--work` the attached network is kept there, and a later run takes it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import eerun
from benchmarks.figure_result import add_common_flags, write_figure
from benchmarks.networks import ROOT, SHARED
from benchmarks.shown_stages import ShownStages
from eecompile.build import BuildSettings, build
from eerun.bench import BenchResult, BenchSettings, Scenario, json_report, run_bench, text_report
from eerun.bundle import Bundle, open_bundle
from eerun.data import load_data, make_splits
from eerun.executor import length_groups

EXAMPLE = ROOT / "examples" / "text"
SST2 = SHARED / "data" / "sst2"
DOCSTRINGS = "docstrings"
TRAINED_WITH = ("data", "layers", "width", "epochs", "head_epochs")
SEED = 0


def train_and_attach(work: Path, args: argparse.Namespace) -> Path:
    """Run the example's first two commands in `work`; return the attached network."""
    model, record = work / "model.pt", work / "model.json"
    trained_with = {name: getattr(args, name) for name in TRAINED_WITH}
    if record.exists():
        found = msgspec.json.decode(record.read_bytes())
        if found != trained_with:
            sys.exit(f"{work} has a network trained with {found}, expected {trained_with}: give another --work")
        return model
    for name in ("train.py", "texts.py", "vocabulary.py"):
        shutil.copy(EXAMPLE / name, work)
    sizes = {"--layers": args.layers, "--width": args.width, "--epochs": args.epochs, "--seed": SEED}
    run(
        [sys.executable, "train.py", "--data", args.data, *(str(word) for pair in sizes.items() for word in pair)], work
    )
    attach = ["--data", "model.npz", "--at", "auto", "--heads", "pooler", "--epochs", str(args.head_epochs)]
    run([str(Path(sys.executable).parent / "eecompile"), "attach", "backbone.pt", *attach, "-o", "model.pt"], work)
    record.write_bytes(msgspec.json.encode(trained_with))
    return model


def run(command: list[str], folder: Path) -> None:
    """Run a program, which shows what it does."""
    subprocess.run(command, cwd=folder, env=dict(os.environ), check=True)


def lengths_of(bundle: Bundle) -> list[dict[str, Any]]:
    """For each length bucket, how many test texts it has, how many are right, and where they leave."""
    entries = bundle.manifest.inputs
    data = load_data(str(bundle.path.with_suffix(".npz")), input_names=[entry.name for entry in entries])
    samples = make_splits(data, seed=SEED)["test"]
    assert samples.labels is not None
    model, rows = eerun.load(bundle.path), []
    for length, index, inputs in length_groups(samples.inputs, entries, [b.length for b in bundle.manifest.lengths]):
        result, labels = model.infer(inputs), samples.labels[index]
        final = model.infer(inputs, exits=False)
        shares = np.bincount(result.exit_index, minlength=len(bundle.manifest.exits)) / len(index)
        rows.append(
            {
                "length": length,
                "texts": len(index),
                "share": len(index) / len(samples),
                "accuracy": float((result.labels == labels).mean()),
                "accuracy_final": float((final.labels == labels).mean()),
                "leave_at": dict(zip(bundle.manifest.exits, shares.tolist(), strict=True)),
            }
        )
    return rows


def summary(bench: BenchResult) -> dict[str, Any]:
    """The chain against the fastest whole network, with length buckets and without."""
    padding, quality, whole = bench.padding, bench.quality, bench.whole
    assert padding is not None
    assert quality.accuracy is not None
    assert quality.accuracy_whole is not None
    return {
        "chain": f"{bench.subject.engine} {bench.subject.precision}",
        "mean_ms": bench.chain.latency.mean_ms,
        "fastest_whole": whole.words,
        "mean_ms_whole": whole.speed.latency.mean_ms,
        "speedup": whole.speedup.totals,
        "mean_ms_chain_padded": padding.speed.latency.mean_ms,
        "speedup_by_lengths": padding.speedup.totals,
        "fastest_whole_padded": padding.whole,
        "mean_ms_whole_padded": padding.whole_speed.latency.mean_ms,
        "speedup_against_padded": padding.whole_speedup.totals,
        "accuracy": quality.accuracy,
        "accuracy_whole": quality.accuracy_whole,
        "accuracy_kept": quality.accuracy / quality.accuracy_whole,
        "leave_at": {exit_.name: exit_.share for exit_ in bench.exits},
    }


def measure(work: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Train, attach, build and bench; see the summaries."""
    model = train_and_attach(work, args)
    settings = BuildSettings(
        max_drop=args.max_drop, lengths=args.lengths, measure_seconds=args.measure_seconds, seed=SEED
    )
    report = build(model, settings, ShownStages())
    bundle = open_bundle(model.with_suffix(".ee"))
    offline = run_bench(BenchSettings(bundle=bundle.path, duration_s=args.seconds, seed=SEED), lambda _share: None)
    single = run_bench(
        BenchSettings(bundle=bundle.path, duration_s=args.seconds / 2, scenario=Scenario.SINGLESTREAM, seed=SEED),
        lambda _share: None,
    )
    print(text_report(offline))
    return {
        "data": "SST-2" if args.data != DOCSTRINGS else DOCSTRINGS,
        "sizes": {"layers": args.layers, "width": args.width, "epochs": args.epochs, "head_epochs": args.head_epochs},
        "max_drop": args.max_drop,
        "batch_32": summary(offline),
        "one_at_a_time": summary(single),
        "lengths": lengths_of(bundle),
        "build": report,
        "bench_batch_32": msgspec.Raw(json_report(offline)),
        "bench_one_at_a_time": msgspec.Raw(json_report(single)),
    }


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--data", help="folder of SST-2, or docstrings; default: SST-2 where it is there")
    parser.add_argument("--layers", type=int, default=8, help="encoder layers (default 8)")
    parser.add_argument("--width", type=int, default=128, help="of a word (default 128)")
    parser.add_argument("--epochs", type=int, default=6, help="passes over the training texts (default 6)")
    parser.add_argument("--head-epochs", type=int, default=10, help="the same for the heads (default 10)")
    parser.add_argument("--lengths", default="16,24,32,64", help="length buckets (default 16,24,32,64)")
    parser.add_argument("--max-drop", type=float, default=0.01, help="drop to tune for (default 0.01)")
    parser.add_argument("--measure-seconds", type=float, default=10.0, help="of the build's costs (default 10)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of the bench at batch 32 (default 30)")
    parser.add_argument("--work", type=Path, help="folder for what can be taken again; default: a temporary one")
    add_common_flags(parser)
    args = parser.parse_args()
    args.lengths = tuple(int(length) for length in args.lengths.split(","))
    if args.quick:
        args.data, args.lengths, args.layers, args.width = DOCSTRINGS, (16, 64), 2, 16
        args.epochs, args.head_epochs, args.measure_seconds, args.seconds = 1, 1, 0.0, 0.1
    args.data = args.data or (str(SST2) if SST2.is_dir() else DOCSTRINGS)
    with tempfile.TemporaryDirectory() as folder:
        work = args.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        result = measure(work.resolve(), args)
    write_figure("text", "bert_encoder", result, args)


if __name__ == "__main__":
    main()
