"""Throughput of FoldedCNNs' networks folded by 2, 3, 4 and 8, against the networks as they are, on this machine.

    python benchmarks/folding.py                              # all networks
    python benchmarks/folding.py --networks coral --quick

1,024 images at once, random weights, random images that lie in memory already; a row of a folded network is a group of
f images, `1024 // f` rows are run and their images counted. Graphs come from the project's own lowering, INT8 ranges
from random images. In each engine and precision all factors and both rules for widths take turns in one run, with a
pause and an untimed call as in `eerun.bench.turns`, and beside them the fastest of the networks as they are, over all
engines and precisions: what one would use without folding. Widths that are the same by both rules run once. The
networks have no exits. Ctrl-C writes what was measured.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.figure_result import add_common_flags, write_figure
from benchmarks.folding_networks import INPUT, NETWORKS, FoldedGraph, folded_graph, image_shape
from eecompile.fold import WIDTHS
from eengines.backends import load_backend
from eengines.engine import Session
from eengines.tensors import Array, allocate
from eengines.threads import default_threads
from eerun.bench.statistics import PairedRatio, paired_ratio
from eerun.bench.turns import Settle, turns_of_block

FOLDS = (2, 3, 4, 8)
IMAGES, QUICK_IMAGES = 1024, 64
LEAST_BLOCKS = 5
SEED = 0
BOTH = " = ".join(WIDTHS)

Times = Mapping[str, NDArray[np.float64]]
Way = tuple[str, str]
"""Engine and precision."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Contestant:
    """A graph that is bound to its images.

    Attributes:
        name: for one run.
        way: engine and precision.
        fold: images a row.
        widths: the rule for widths, or both; empty if not folded.
        images: how many it answers in a call.
        session: runs it.
    """

    name: str
    way: Way
    fold: int
    widths: str
    images: int
    session: Session


def default_ways() -> tuple[Way, ...]:
    """ONNX Runtime float32 and INT8; OpenVINO INT8 and bfloat16, or float32 where the processor has no bfloat16."""
    has_bfloat16 = "bfloat16" in load_backend("openvino").probe().precisions
    wide = "bfloat16" if has_bfloat16 else "float32"
    return (("onnxruntime", "float32"), ("onnxruntime", "int8"), ("openvino", wide), ("openvino", "int8"))


def parse_ways(text: str) -> tuple[Way, ...]:
    """`engine:precision,engine:precision`."""
    ways = tuple(tuple(part.split(":")) for part in text.split(","))
    if any(len(way) != 2 for way in ways):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected engine:precision,…")
    return ways  # type: ignore[return-value]  # every one has two parts


def graphs_of(network: str, folds: Sequence[int]) -> dict[tuple[int, str], FoldedGraph]:
    """By factor and widths; what is the same by both rules is there once."""
    made = {(1, ""): folded_graph(network, 1, WIDTHS[0])}
    for fold in folds:
        pair = {widths: folded_graph(network, fold, widths) for widths in WIDTHS}
        same = len({graph.shapes for graph in pair.values()}) == 1
        made |= {(fold, BOTH): pair[WIDTHS[0]]} if same else {(fold, widths): graph for widths, graph in pair.items()}
    return made


def contestant(graph: FoldedGraph, widths: str, way: Way, images: Array, threads: int) -> Contestant:
    """Load a graph into an engine and bind it to as many images as fill its rows."""
    engine, precision = way
    rows = len(images) // graph.fold
    shape = images.shape[1:] if graph.fold == 1 else (graph.fold, *images.shape[1:])
    loaded = load_backend(engine).load(graph.lower(engine, precision), threads=threads)
    outputs = {spec.name: allocate(spec, rows) for spec in loaded.outputs}
    given = images[: rows * graph.fold].reshape(rows, *shape)
    return Contestant(
        name=f"{engine} {precision}, f = {graph.fold} {widths}".rstrip(),
        way=way,
        fold=graph.fold,
        widths=widths,
        images=rows * graph.fold,
        session=loaded.open({INPUT: given}, outputs),
    )


def race(contestants: Sequence[Contestant], *, seconds: float) -> Times:
    """Let all take turns for some seconds, five blocks or more; return `[blocks]` nanoseconds an image of each."""
    engines = {one.name: one.way[0] for one in contestants}
    by_name = {one.name: one for one in contestants}
    times: dict[str, list[float]] = {name: [] for name in engines}
    settle, block, started = Settle(), 0, perf_counter_ns()
    while block < LEAST_BLOCKS or perf_counter_ns() - started < seconds * 1e9:
        for name in turns_of_block(engines, block):
            one = by_name[name]
            settle.before(one.way[0])
            one.session.run()
            before = perf_counter_ns()
            one.session.run()
            times[name].append((perf_counter_ns() - before) / one.images)
        block += 1
    return {name: np.array(found) for name, found in times.items()}


def fastest_unfolded(graph: FoldedGraph, ways: Sequence[Way], images: Array, args: argparse.Namespace) -> Way:
    """The engine and precision in which the network as it is answers most images a second."""
    runs = [contestant(graph, "", way, images, args.threads) for way in ways]
    found = race(runs, seconds=args.seconds / 4)
    return min(runs, key=lambda run: float(np.median(found[run.name]))).way


def measure(network: str, ways: Sequence[Way], args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One row for each way, factor and widths."""
    count = QUICK_IMAGES if args.quick else IMAGES
    images = np.random.default_rng(SEED).random((count, *image_shape(network)), np.float32)
    graphs = graphs_of(network, args.folds)
    strongest = fastest_unfolded(graphs[1, ""], ways, images, args)
    for way in ways:
        runs = [contestant(graph, widths, way, images, args.threads) for (_, widths), graph in graphs.items()]
        beside = runs[0] if way == strongest else contestant(graphs[1, ""], "", strongest, images, args.threads)
        everyone = runs if beside is runs[0] else [*runs, beside]
        times = race(everyone, seconds=args.seconds)
        for run in runs:
            yield _row(run, times, unfolded=runs[0], strongest=beside)


def _row(run: Contestant, times: Times, *, unfolded: Contestant, strongest: Contestant) -> dict[str, Any]:
    """Throughput, and its ratio to the network as it is: in this engine and precision, and in the fastest."""
    own = times[run.name]

    def against(other: Contestant) -> PairedRatio:
        return paired_ratio(times[other.name], own, batch=run.images, seed=SEED)

    return {
        "engine": run.way[0],
        "precision": run.way[1],
        "fold": run.fold,
        "widths": run.widths,
        "rows": run.images // run.fold,
        "images": run.images,
        "blocks": len(own),
        "ms": float(np.median(own)) * run.images / 1e6,
        "images_per_second": 1e9 / float(np.median(own)),
        "to_unfolded": against(unfolded),
        "strongest_unfolded": " ".join(strongest.way),
        "to_strongest_unfolded": against(strongest),
    }


def show(network: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """One line for each row."""
    print(
        f"{network}: throughput, and its ratio to f = 1 of the same engine and precision, and to f = 1 of the fastest"
    )
    for row in rows:
        own, best = row["to_unfolded"].median, row["to_strongest_unfolded"].median
        print(
            f"  {row['engine']:11} {row['precision']:8} f = {row['fold']} {row['widths']:21} "
            f"{row['images_per_second']:9.0f} images/s  {own.value:.2f}x ({own.low:.2f} to {own.high:.2f})  "
            f"{best.value:.2f}x ({best.low:.2f} to {best.high:.2f})"
        )
    for strongest in dict.fromkeys(row["strongest_unfolded"] for row in rows):
        print(f"  fastest at f = 1: {strongest}")


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS, metavar="NAME")
    parser.add_argument("--folds", nargs="+", type=int, default=FOLDS, help="fold factors (default 2 3 4 8)")
    parser.add_argument("--ways", type=parse_ways, help="engine:precision,… (default: four, see default_ways)")
    parser.add_argument("--seconds", type=float, default=30.0, help="for each engine and precision (default 30)")
    parser.add_argument("--threads", type=int, default=default_threads(), help="of every engine (default: all cores)")
    add_common_flags(parser)
    args = parser.parse_args()
    args.seconds = 0.0 if args.quick else args.seconds
    ways = args.ways or default_ways()
    for network in args.networks:
        rows: list[dict[str, Any]] = []
        finished = True
        try:
            rows += measure(network, ways, args)
        except KeyboardInterrupt:
            finished = False
        show(network, rows)
        sizes = {"images": QUICK_IMAGES if args.quick else IMAGES, "seconds": args.seconds, "threads": args.threads}
        result = {"sizes": sizes, "ways": [" ".join(way) for way in ways], "finished": finished, "rows": rows}
        write_figure("folding", network.replace("/", "-"), result, args)
        if not finished:
            break


if __name__ == "__main__":
    main()
