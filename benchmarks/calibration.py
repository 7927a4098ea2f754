"""Time and memory of calibrating: this project, ONNX Runtime's quantiser, nvidia-modelopt. Each in its own process.

    python benchmarks/calibration.py resnet56_3 --modelopt-python MODELOPT/bin/python

All get the same ONNX graph with all exits and the same images, the *calib* split. `calibrate_s` is the time until the
ranges are known (nvidia-modelopt does not say), `total_s` until the INT8 graphs are written; both without imports.
`peak_mib` is the process's largest resident memory, `imports_mib` what it was before the work began.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.int8_network import prepare_network
from benchmarks.int8_result import write_result
from benchmarks.int8_rivals import Quantiser, quantisers, run_quantiser
from benchmarks.networks import NETWORKS, available
from eecalib.int8.calibrators import CALIBRATORS
from eecompile.build.lower_graphs import serialize

FIGURES = ("calibrate_s", "total_s", "process_s", "imports_mib", "peak_mib")


def measure(args: argparse.Namespace, folder: Path) -> tuple[int, list[dict[str, Any]]]:
    """Run every quantiser `rounds` times, in turns; return the number of images and one record a quantiser."""
    prepared, _ = prepare_network(NETWORKS[args.network], args.data, folder)
    (entry,) = prepared.inputs
    images = prepared.splits["calib"].inputs[entry.name][: args.images]
    model, array = folder / "model.onnx", folder / "images.npy"
    model.write_bytes(serialize(prepared.model, None))
    np.save(array, images)
    ours = [Quantiser(tool="ours", method=method, python=sys.executable) for method in CALIBRATORS]
    everyone = [q for q in (*ours, *quantisers(args.modelopt_python)) if q.name not in args.without]
    runs: dict[str, list[dict[str, Any]]] = {quantiser.name: [] for quantiser in everyone}
    for number in range(args.rounds):
        for index, quantiser in enumerate(everyone):
            print(f"  round {number + 1}: {quantiser.name} ...", file=sys.stderr)
            out = folder / f"{number}-{index}"
            runs[quantiser.name].append(run_quantiser(quantiser, model, array, out, name=entry.name))
    return len(images), [_record(name, found) for name, found in runs.items()]


def _record(name: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Median, least and largest of each figure over the rounds."""
    record: dict[str, Any] = {"name": name, "version": runs[0]["version"], "rounds": len(runs)}
    for figure in FIGURES:
        values = [run[figure] for run in runs if run[figure] is not None]
        record[figure] = {"median": median(values), "min": min(values), "max": max(values)} if values else None
    return record


def show(records: list[dict[str, Any]]) -> None:
    """Print one line a quantiser."""
    print(f"{'':18}" + "".join(f"{figure:>13}" for figure in FIGURES))
    for record in records:
        cells = [f"{record[f]['median']:13.1f}" if record[f] else f"{'-':>13}" for f in FIGURES]
        print(f"{record['name']:18}" + "".join(cells))


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("network", choices=available())
    parser.add_argument("--data", type=Path, help="the network's data, if it is unpacked already")
    parser.add_argument("--images", type=int, default=1024, help="calibration images (default 1024)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each quantiser, in turns (default 3)")
    parser.add_argument("--modelopt-python", type=Path, help="interpreter that has nvidia-modelopt")
    parser.add_argument(
        "--without", action="append", default=[], metavar="NAME", help="leave one out, such as 'ort entropy'"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        images, records = measure(args, Path(name))
    show(records)
    write_result("calibration", args.network, {"images": images, "quantisers": records})


if __name__ == "__main__":
    main()
