"""Gati's best case: requests of a few classes at a time, which change; heads refreshed online against heads that stay.

    python benchmarks/drift.py                               # ResNet-18, CIFAR-10
    python benchmarks/drift.py --model many-exits/resnet18-attached-chosen.pt
    python benchmarks/drift.py digits --quick

In each phase requests are of three classes. In its first half the bundle answers as the last phase left it; then it is
refreshed with the images of that half, without labels, and answers the second half, whose images it has not seen. The
bundle as it was built and the fastest whole network answer the same batches in turns. Requests of a half repeat its
images. The stream waits while a refresh runs: its time and CPU time are counted apart, with the number of requests
after which the time is won back. A stream of few classes is the best case for this, not the usual one. Ctrl-C writes
what was measured. The picture: benchmarks/draw_drift.py.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import eerun
from benchmarks.drift_answers import BATCH, NEVER, REFRESHED, WHOLE, Answer, answer_half, means, summary
from benchmarks.drift_stream import Phase, make_phases, requests
from benchmarks.figure_result import add_common_flags, write_figure
from benchmarks.plain_networks import PLAIN, TRUNK, PlainNetwork, plain_network
from benchmarks.shown_stages import ShownStages
from eecompile.attach.attach import attach
from eecompile.attach.settings import AttachSettings
from eecompile.build import BuildSettings, build
from eecompile.cli.stages import ConsoleStages
from eecompile.refresh import RefreshReport, RefreshSettings, refresh
from eecompile.train.settings import TrainSettings
from eerun.bundle import open_bundle
from eerun.choose_configuration import usable_configurations

WARM_UP_BATCHES = 5
GATI = {"speedup": 7.69, "where": "arXiv 2101.07344: up to, on a GPU"}


def prepare(network: PlainNetwork, work: Path, args: argparse.Namespace) -> tuple[Path, Any, Any]:
    """Attach (unless a model is given) and build; returns the bundle, and images and labels of the stream."""
    with np.load(network.data) as arrays:
        content = {name: arrays[name] for name in arrays.files}
    cut = min(args.build_test, len(content["y_test"]) // 3)
    stream = content["x_test"][cut:], content["y_test"][cut:]
    np.savez(network.data, **{**content, "x_test": content["x_test"][:cut], "y_test": content["y_test"][:cut]})
    model = work / "drift.pt"
    if args.model is not None:
        shutil.copy(args.model, model)
    else:
        train = TrainSettings(epochs=args.epochs, precision=args.train_precision, cache_bytes=args.cache_gib << 30)
        wanted = AttachSettings(
            output=model, heads=args.heads, data=str(network.data), factory=network.factory, train=train
        )
        with ConsoleStages(verbose=True) as stages:
            attach(str(network.model), wanted, stages)
    bundle = work / "drift.ee"
    measure = 0.0 if args.quick else args.measure_seconds
    settings = BuildSettings(
        output=bundle,
        data=str(network.data),
        factory=network.factory,
        max_drop=args.max_drop,
        agreement=True,
        max_quant_drop=args.max_drop,
        measure_seconds=measure,
    )
    build(model, settings, ShownStages())
    return bundle, *stream


def fastest_whole(bundle: Path) -> tuple[str, Answer]:
    """The whole network in the configuration where the build measured the least time."""
    ways = usable_configurations(open_bundle(bundle)).configurations
    way = min(ways, key=lambda way: way.costs().whole_ms[-1])
    name = way.bundle.manifest.inputs[0].name
    whole = way.open_whole()
    whole.warm_up(BATCH)
    return way.words, lambda images: whole.infer({name: images}).argmax(axis=1)


def with_exits(bundle: Path, images: NDArray[Any]) -> tuple[str, Answer]:
    """The chain of a bundle as it is now, after a few batches that do not count."""
    model = eerun.load(bundle)
    for _ in range(WARM_UP_BATCHES):
        model.infer(images[:BATCH])
    return f"{model.engine} {model.precision}", lambda given: model.infer(given).labels


def refresh_with(bundle: Path, images: NDArray[Any], network: PlainNetwork, args: argparse.Namespace) -> dict[str, Any]:
    """Refresh a bundle with unlabelled images; returns what it took."""
    data = bundle.with_name("recent.npz")
    np.savez(data, x=images)
    train = TrainSettings(epochs=args.refresh_epochs, validation=0.2, precision=args.train_precision)
    settings = RefreshSettings(data=str(data), factory=network.factory, train=train)
    cpu, wall = process_time(), perf_counter()
    with ConsoleStages(verbose=False) as stages:
        report: RefreshReport = refresh(bundle, settings, stages)
    report = replace(report, model=Path(report.model).name)
    seconds, cpu_seconds = perf_counter() - wall, process_time() - cpu
    return {"images": len(images), "seconds": seconds, "cpu_seconds": cpu_seconds, "report": report}


def run_phases(
    phases: Sequence[Phase], bundle: Path, network: PlainNetwork, stream: Any, args: argparse.Namespace, result: Any
) -> None:
    """Every phase; rows and refreshes are added to the result as they come."""
    images, labels = stream
    kept = bundle.with_name("never.ee")
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(bundle, kept)
    result["engines"][WHOLE], whole = fastest_whole(kept)
    result["engines"][NEVER], never = with_exits(kept, images)
    for number, phase in enumerate(phases):
        for part, rows in (("before", phase.before), ("after", phase.after)):
            found: dict[str, Any] = {"phase": number, "part": part, "classes": phase.classes, "refresh": None}
            if part == "after":
                found["refresh"] = refresh_with(bundle, images[phase.before], network, args)
            engine, refreshed = with_exits(bundle, images)
            batches = list(requests(rows, count=args.requests, batch=BATCH, seed=args.seed + number))
            contestants = {NEVER: never, REFRESHED: refreshed, WHOLE: whole}
            found |= {"engine": engine, "windows": answer_half(contestants, images, labels, batches, args.seed)}
            found["mean"] = means(found["windows"])
            result["halves"].append(found)
            line = ", ".join(f"{name} {way['batch_ms']:.2f} ms" for name, way in found["mean"].items())
            agreement = found["mean"][REFRESHED]["agreement"]
            print(f"phase {number + 1}, {part}: {line}; refreshed agrees {agreement:.2%}", file=sys.stderr)


def run(args: argparse.Namespace, work: Path) -> None:
    """All of it."""
    network = plain_network(args.network, work, train=args.samples, test=None)
    bundle, images, labels = prepare(network, work, args)
    phases = make_phases(labels, together=args.classes, seed=args.seed)
    sizes = {name: value for name, value in vars(args).items() if isinstance(value, int | float | str)}
    result: dict[str, Any] = {
        "best_case": "requests of few classes at a time; the stream waits while a refresh runs",
        "trunk": TRUNK[network.name],
        "model": None if args.model is None else args.model.name,
        "sizes": sizes,
        "gati": GATI,
        "batch": BATCH,
        "engines": {},
        "interrupted": False,
        "halves": [],
    }
    try:
        run_phases(phases, bundle, network, (images, labels), args, result)
    except KeyboardInterrupt:
        result["interrupted"] = True
    result["refreshes"] = summary(result["halves"])
    for row in result["refreshes"]:
        print(
            f"phase {row['phase'] + 1}: {row['speedup_over_whole']:.2f}x the whole network, "
            f"{row['speedup_over_never']:.2f}x never refreshed; the refresh took {row['refresh_seconds']:.1f} s"
        )
    write_figure("drift", args.network, result, args)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("network", nargs="?", default=PLAIN[0], choices=PLAIN)
    parser.add_argument("--model", type=Path, help="attached checkpoint of this network; default: heads are trained")
    parser.add_argument("--heads", default="strided(32)", help="where heads are trained (default strided(32))")
    parser.add_argument("--samples", type=int, default=12000, help="training images (default 12000)")
    parser.add_argument("--epochs", type=int, default=3, help="passes over them (default 3)")
    parser.add_argument("--classes", type=int, default=3, help="at a time (default 3)")
    parser.add_argument("--requests", type=int, default=3200, help="in each half of a phase (default 3200)")
    parser.add_argument("--refresh-epochs", type=int, default=10, help="of each refresh (default 10)")
    parser.add_argument("--max-drop", type=float, default=0.04, help="of agreement with float32 (default 0.04)")
    parser.add_argument("--build-test", type=int, default=1000, help="test images of the build (default 1000)")
    parser.add_argument("--measure-seconds", type=float, default=3.0, help="of the build's costs (default 3)")
    parser.add_argument("--train-precision", default="bfloat16", help="of training alone (default bfloat16)")
    parser.add_argument("--cache-gib", type=int, default=16, help="most GiB of features on disk (default 16)")
    parser.add_argument("--seed", type=int, default=0, help="of classes, cut and order (default 0)")
    parser.add_argument("--work", type=Path, help="folder to work in; default: a temporary one")
    add_common_flags(parser)
    args = parser.parse_args()
    if args.quick:
        args.samples, args.epochs, args.requests, args.refresh_epochs, args.classes = 400, 1, 160, 1, 5
    if args.work is not None:
        args.work.mkdir(parents=True, exist_ok=True)
        run(args, args.work)
        return
    with tempfile.TemporaryDirectory() as folder:
        run(args, Path(folder))


if __name__ == "__main__":
    main()
