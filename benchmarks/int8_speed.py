"""Time of the INT8 chain on ONNX Runtime, exits off, against the float32 chain and ONNX Runtime's own quantiser.

    python benchmarks/int8_speed.py resnet56_3

All contestants run in one process on one thread pool and take turns, another one first each time, so that ratios are of
times measured side by side. The rival is `quantize_static` (uint8 activations, int8 weights by channel, min-max, 256
training images, pre-processed) on the network with its exit heads, which a chain has too, and on the network without.
Chains also score, decide and write answers; whole graphs only compute logits.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.int8_network import (
    BATCH,
    SilentStages,
    load_graph,
    load_segments,
    lower,
    mac_costs,
    prepare_network,
)
from benchmarks.int8_result import write_result
from benchmarks.int8_rivals import Quantiser, run_quantiser
from benchmarks.networks import NETWORKS, available
from eecalib.int8.survivors import Survivors
from eecompile.build.calibrate import calibrate
from eecompile.build.lower_graphs import Graphs, Lowering, lower_graphs, serialize
from eecompile.build.prepare import Prepared
from eengines.tensors import Array
from eerun.bench.statistics import PairedRatio, paired_ratio
from eerun.costs import CostTable, Piece
from eerun.executor import Answers, ChainExecutor, LoadedChain

ENGINE = "onnxruntime"
RIVAL_IMAGES = 256
CALIBRATOR = "mse"
WARM_UP_ROUNDS = 5
SEED = 0

RATIOS = (
    ("float32 chain", "INT8 chain"),
    ("float32 whole", "rival whole"),
    ("float32 whole", "INT8 whole"),
    ("INT8 chain", "rival with heads"),
    ("INT8 chain", "rival whole"),
    ("INT8 whole", "rival whole"),
)
"""Times of the first over times of the second."""

Samples = Mapping[str, Array]
Run = Callable[[Samples], None]


def rival_graphs(prepared: Prepared, folder: Path) -> tuple[bytes, bytes]:
    """Quantise the network with and without exit heads with ONNX Runtime's quantiser, min-max."""
    rival = Quantiser(tool="ort", method="min-max", python=sys.executable)
    (entry,) = prepared.inputs
    images = folder / "images.npy"
    np.save(images, prepared.splits["calib"].inputs[entry.name][:RIVAL_IMAGES])
    graphs = []
    for name, model in (("heads", prepared.model), ("whole", prepared.split.whole)):
        file, out = folder / f"{name}.onnx", folder / f"{name}-int8.onnx"
        file.write_bytes(serialize(model, None))
        run_quantiser(rival, file, images, out, name=entry.name)
        graphs.append(out.read_bytes())
    return graphs[0], graphs[1]


def int8_graphs(prepared: Prepared, source: Lowering) -> Graphs:
    """This project's graphs, calibrated on all of *calib*."""
    calib = prepared.splits["calib"]
    every = Survivors(rows=np.arange(len(calib)), reached=len(calib), padded=False)
    ranges = calibrate(
        prepared.split,
        calib,
        calibrator=CALIBRATOR,
        calibrate_on="all",
        survivors=(every,) * len(prepared.split.segments),
        keep_float=frozenset(),
        stages=SilentStages(),
    )
    return lower(source, ranges, family=ENGINE)


def load_all(prepared: Prepared, folder: Path) -> dict[str, LoadedChain]:
    """Every contestant. The rivals are made first, in other processes."""
    heads, whole = rival_graphs(prepared, folder)
    source = Lowering(split=prepared.split, ranges=None, keep_float=frozenset())
    float32 = lower_graphs(source, family=ENGINE, precision="float32")
    int8 = int8_graphs(prepared, source)
    return {
        "float32 chain": load_segments(prepared, float32, engine=ENGINE),
        "INT8 chain": load_segments(prepared, int8, engine=ENGINE),
        "float32 whole": load_graph(prepared, float32.whole, engine=ENGINE),
        "INT8 whole": load_graph(prepared, int8.whole, engine=ENGINE),
        "rival with heads": load_graph(prepared, heads, engine=ENGINE),
        "rival whole": load_graph(prepared, whole, engine=ENGINE),
    }


def chain_run(loaded: LoadedChain, costs: CostTable, batch: int) -> Run:
    """Run a chain with exits off: nobody has an infinite score."""
    executor = ChainExecutor(loaded, costs)
    off = (float("inf"),) * (executor.segments - 1)
    answers = Answers(
        outputs=np.empty((batch, executor.classes), np.float32),
        exit_index=np.empty(batch, np.int32),
        confidence=np.empty(batch, np.float32),
    )

    def run(samples: Samples) -> None:
        executor.infer(samples, off, answers)

    return run


def graph_run(loaded: LoadedChain, batch: int) -> Run:
    """Run a whole graph on bound buffers; the input is copied in and every output out, as in a chain."""
    loaded.allocate(batch)
    session = loaded.session(0, Piece(offset=0, bucket=batch)).run
    outputs = [loaded.buffer(spec.name) for spec in loaded.engines[0].outputs]

    def run(samples: Samples) -> None:
        for name, array in samples.items():
            loaded.buffer(name)[:] = array
        session()
        for output in outputs:
            output.copy()

    return run


def race(runs: Mapping[str, Run], inputs: Samples, *, batch: int, seconds: float) -> dict[str, np.ndarray]:
    """Let all take turns for some seconds; return `[rounds]` nanoseconds of each."""
    names, count = list(runs), len(next(iter(inputs.values()))) // batch
    times: dict[str, list[int]] = {name: [] for name in names}
    started, number = perf_counter_ns(), 0
    while perf_counter_ns() - started < seconds * 1e9 or number <= WARM_UP_ROUNDS:
        start = number % count * batch
        samples = {name: array[start : start + batch] for name, array in inputs.items()}
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            before = perf_counter_ns()
            runs[name](samples)
            times[name].append(perf_counter_ns() - before)
        number += 1
    return {name: np.array(found[WARM_UP_ROUNDS:], np.float64) for name, found in times.items()}


def measure(prepared: Prepared, folder: Path, *, seconds: float) -> dict[str, Any]:
    """Race all contestants at batch 32 and 1."""
    loaded, costs = load_all(prepared, folder), mac_costs(prepared.split)
    inputs = prepared.splits["test"].inputs
    result = {}
    for batch in (BATCH, 1):
        runs = {
            name: chain_run(chain, costs, batch) if name.endswith("chain") else graph_run(chain, batch)
            for name, chain in loaded.items()
        }
        times = race(runs, inputs, batch=batch, seconds=seconds)
        result[f"batch_{batch}"] = {
            "median_ms": {name: float(np.median(found)) / 1e6 for name, found in times.items()},
            "ratios": {
                f"{over} / {under}": paired_ratio(times[over], times[under], batch=batch, seed=SEED)
                for over, under in RATIOS
            },
        }
    return result


def show(result: Mapping[str, Any]) -> None:
    """Print times and ratios."""
    for batch, found in result.items():
        print(f"{batch}: " + ", ".join(f"{name} {ms:.2f} ms" for name, ms in found["median_ms"].items()))
        for name, ratio in found["ratios"].items():
            estimate: PairedRatio = ratio
            print(
                f"  {name:32} {estimate.median.value:.3f} [{estimate.median.low:.3f}, {estimate.median.high:.3f}], "
                f"quartiles {estimate.first_quartile:.3f} to {estimate.third_quartile:.3f}, {estimate.pairs} pairs"
            )
    chain = result[f"batch_{BATCH}"]["ratios"]
    print(f"INT8 chain against float32 chain, batch {BATCH}: {chain['float32 chain / INT8 chain'].median.value:.2f}x")


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("network", choices=available())
    parser.add_argument("--data", type=Path, help="the network's data, if it is unpacked already")
    parser.add_argument("--seconds", type=float, default=60.0, help="seconds at each batch size (default 60)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        prepared, _ = prepare_network(NETWORKS[args.network], args.data, Path(name))
        result = measure(prepared, Path(name), seconds=args.seconds)
    show(result)
    write_result("int8_speed", args.network, {"rival_images": RIVAL_IMAGES, "calibrator": CALIBRATOR, **result})


if __name__ == "__main__":
    main()
