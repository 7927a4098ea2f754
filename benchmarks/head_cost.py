"""What each kind of head costs where it runs: fused into its segment, as time and as bytes.

    python benchmarks/head_cost.py                           # ResNet-18, every kind at every tap
    python benchmarks/head_cost.py digits --quick

A head's time is that of the segment with it less that of the same graph without it, run in turns in one process, with
the whole network without exits beside them; the policy's score (max-probability) is part of the head. Weights are fresh
and INT8 ranges are those of a few images: neither changes how long a graph runs. Gati's published times are of a Tesla
P100 in eager PyTorch at tap 7 of a ResNet-18 with 64 to 512 channels. Ctrl-C writes what was measured.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.attached_heads import as_checkpoint, fresh_heads
from benchmarks.figure_result import add_common_flags, write_figure
from benchmarks.int8_network import load_graph, load_segments
from benchmarks.plain_networks import PLAIN, TRUNK, PlainNetwork, plain_network
from benchmarks.segment_without_head import segment_without_head
from benchmarks.shown_stages import ShownStages
from eecalib.int8.survivors import Survivors
from eecompile.attach.attachment import AttachedHead, Attachment
from eecompile.build.calibrate import calibrate
from eecompile.build.lower_graphs import Graphs, Lowering, lower_graphs
from eecompile.build.prepare import Prepared, prepare
from eecompile.build.settings import BuildSettings
from eecompile.checkpoint import save_checkpoint
from eecompile.cli.stages import ConsoleStages
from eecompile.heads import parse_heads
from eengines.backends import load_backend
from eengines.engine import Session
from eengines.threads import default_threads
from eerun.bench.statistics import bootstrap
from eerun.costs import Piece
from eerun.executor import Cell, LoadedChain, Run
from eerun.measure_costs import WHOLE, take_turns

HEADS = "linear,strided(16),bof,pool,conv,simple,conv3,remainder,fc"
WAYS = (("onnxruntime", "float32"), ("openvino", "float32"), ("onnxruntime", "int8"), ("openvino", "int8"))
BATCHES = (1, 32)
CALIBRATION_IMAGES = 64
GATI_MS, GATI_TAP = {"fc": 0.43, "pool": 0.60, "conv": 0.52}, 7
SEED = 0
NS_PER_MS = 1e6


def split_network(
    network: PlainNetwork, kind: str, folder: Path
) -> tuple[Prepared, Lowering, tuple[AttachedHead, ...], Attachment]:
    """The network with this kind of head at every tap, in segments with ranges for INT8."""
    backbone, placed = fresh_heads(network, kind, seed=SEED)
    attached = placed.attached
    heads = attached.attachment.heads
    attached.attachment = replace(attached.attachment, chosen=tuple(head.name for head in heads))
    model = folder / "heads.pt"
    save_checkpoint(model, as_checkpoint(backbone, attached))
    settings = BuildSettings(output=folder / "unused.ee", data=str(network.data), factory=network.factory)
    prepared = prepare(model, settings, ShownStages())
    calib = prepared.splits["calib"]
    few = calib.take(np.arange(min(len(calib), CALIBRATION_IMAGES)))
    every = Survivors(rows=np.arange(len(few)), reached=len(few), padded=False)
    ranges = calibrate(
        prepared.split,
        few,
        calibrator="min-max",
        calibrate_on="all",
        survivors=(every,) * len(prepared.split.segments),
        keep_float=frozenset(),
        stages=ShownStages(),
    )
    return prepared, Lowering(split=prepared.split, ranges=ranges, keep_float=frozenset()), heads, attached.attachment


def sessions(
    prepared: Prepared, graphs: Graphs, bare: list[bytes], engine: str
) -> tuple[dict[Cell, Run], list[object]]:
    """Sessions on real values: cell `(2k, batch)` of segment k, `(2k + 1, batch)` of it without head, and the whole.

    Returns:
        The sessions, and what must stay alive with them.
    """
    chain = load_segments(prepared, graphs, engine=engine)
    whole = load_graph(prepared, graphs.whole, engine=engine)
    for loaded in (chain, whole):
        loaded.allocate(max(BATCHES))
        for name, array in prepared.samples.items():
            loaded.buffer(name)[:] = np.resize(array, (max(BATCHES), *array.shape[1:]))
    backend = load_backend(engine)
    engines = [backend.load(graph, threads=default_threads()) for graph in bare]
    runs: dict[Cell, Run] = {}
    for batch in reversed(BATCHES):
        piece = Piece(offset=0, bucket=batch)
        for index, without in enumerate(engines):
            chain.session(index, piece).run()
            runs[2 * index, batch] = chain.session(index, piece).run
            runs[2 * index + 1, batch] = _bind(without, chain, batch).run
        runs[WHOLE, batch] = whole.session(0, piece).run
    return runs, [chain, whole, engines]


def _bind(engine: Any, chain: LoadedChain, batch: int) -> Session:
    """A session on the buffers of the chain."""
    session: Session = engine.open(
        {spec.name: chain.buffer(spec.name)[:batch] for spec in engine.inputs},
        {spec.name: chain.buffer(spec.name)[:batch] for spec in engine.outputs},
    )
    return session


def measure(network: PlainNetwork, kind: str, folder: Path, *, seconds: float, stages: ConsoleStages) -> Iterator[Any]:
    """One row for each tap, way and batch."""
    with stages.stage(f"{kind}: attach, export, split"):
        prepared, source, heads, attachment = split_network(network, kind, folder)
    for engine, precision in WAYS:
        graphs = lower_graphs(source, family=engine, precision=precision)
        segments = prepared.split.segments[:-1]
        bare = [
            segment_without_head(graph, logits=segment.logits, score=segment.score)
            for graph, segment in zip(graphs.segments, segments, strict=False)
        ]
        with stages.stage(f"{kind}: {engine} {precision}"):
            runs, _alive = sessions(prepared, graphs, bare, engine)
            times = _times_of(runs, seconds, stages.progress)
        for batch in BATCHES:
            whole = np.array(times[WHOLE, batch]) / NS_PER_MS
            for index, head in enumerate(heads):
                both = [np.array(times[2 * index + part, batch]) / NS_PER_MS for part in (0, 1)]
                size = len(graphs.segments[index]) - len(bare[index])
                yield {
                    "engine": engine,
                    "precision": precision,
                    "batch": batch,
                    **_described(head, attachment),
                    "graph_bytes": size,
                    **_times(both[0], both[1], whole, batch),
                }


def _times_of(runs: dict[Cell, Run], seconds: float, progress: Callable[[float], None]) -> dict[Cell, list[int]]:
    """Nanoseconds of every cell; each batch size has turns of its own, so that a small one has many."""
    times: dict[Cell, list[int]] = {}
    for batch in BATCHES:
        cells = {cell: run for cell, run in runs.items() if cell[1] == batch}
        times |= take_turns([cells], seconds / len(BATCHES), progress)[0]
    return times


def _described(head: AttachedHead, attachment: Attachment) -> dict[str, Any]:
    tap = [entry.name for entry in attachment.taps].index(head.tap) + 1
    return {
        "kind": head.kind,
        "options": head.options,
        "tap": tap,
        "module": head.tap,
        "parameters": head.parameters,
        "bytes_float32": 4 * head.parameters,
        "macs_of_trunk": head.macs / attachment.macs,
        "gati_ms_p100": GATI_MS.get(head.kind) if tap == GATI_TAP else None,
    }


def _times(segment: Any, without: Any, whole: Any, batch: int) -> dict[str, Any]:
    """Milliseconds of a batch, and the head's share of the whole network; with 95 % intervals over the rounds."""
    extra = segment - without
    return {
        "rounds": len(extra),
        "segment_ms": float(np.median(segment)),
        "segment_without_head_ms": float(np.median(without)),
        "whole_ms": float(np.median(whole)),
        "head_ms": bootstrap(len(extra), lambda pick: float(np.median(extra[pick])), seed=SEED),
        "head_us_per_sample": 1000 * float(np.median(extra)) / batch,
        "head_of_trunk": bootstrap(
            len(extra), lambda pick: float(np.median(extra[pick]) / np.median(whole[pick])), seed=SEED
        ),
    }


def show(rows: list[dict[str, Any]]) -> None:
    """One line for each kind and way: the head's share of the whole network, tap by tap."""
    for way in dict.fromkeys((row["engine"], row["precision"], row["batch"]) for row in rows):
        print(f"{way[0]} {way[1]}, batch {way[2]}: head's share of the whole network by tap")
        here = [row for row in rows if (row["engine"], row["precision"], row["batch"]) == way]
        for name in dict.fromkeys(f"{row['kind']}{tuple(row['options'].values())}" for row in here):
            cells = [row for row in here if f"{row['kind']}{tuple(row['options'].values())}" == name]
            print(f"  {name:22}" + "".join(f"{row['head_of_trunk'].value:9.2%}" for row in cells))


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("network", nargs="?", default=PLAIN[0], choices=PLAIN)
    parser.add_argument("--heads", default=HEADS, help=f"kinds with options (default {HEADS})")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each kind and way (default 3)")
    add_common_flags(parser)
    args = parser.parse_args()
    kinds = [
        f"{kind.name}({','.join(f'{option}={value}' for option, value in kind.options().items())})"
        for kind in parse_heads(args.heads)
    ]
    rows: list[dict[str, Any]] = []
    done: list[str] = []
    with tempfile.TemporaryDirectory() as name, ConsoleStages(verbose=True) as stages:
        network = plain_network(args.network, Path(name), train=None if not args.quick else 400, test=400)
        try:
            for kind in kinds:
                seconds = 0.0 if args.quick else args.seconds
                rows += measure(network, kind, Path(name), seconds=seconds, stages=stages)
                done.append(kind)
        except KeyboardInterrupt:
            stages.warn("interrupted: what was measured is written")
    show(rows)
    sizes = {"seconds_each_kind_and_way": 0.0 if args.quick else args.seconds, "calibration_images": CALIBRATION_IMAGES}
    result = {
        "trunk": TRUNK[network.name],
        "sizes": sizes,
        "gati_ms_p100": GATI_MS,
        "asked": kinds,
        "finished": done,
        "rows": rows,
    }
    write_figure("head_cost", args.network, result, args)


if __name__ == "__main__":
    main()
