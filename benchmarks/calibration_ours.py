"""Calibrate and quantise an ONNX graph with this project, in a process of its own.

    python benchmarks/calibration_ours.py MODEL.onnx IMAGES.npy OUT --method entropy

Writes the INT8 segments and the whole network for ONNX Runtime into the folder OUT.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import onnx_ir as ir

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.calibration_cost import CostMeter
from benchmarks.int8_network import SilentStages, lower
from eecalib.int8.calibrators import CALIBRATORS
from eecalib.int8.survivors import Survivors
from eecompile.build.calibrate import calibrate
from eecompile.build.lower_graphs import Lowering
from eecompile.split import split_model
from eerun.data import Samples
from eerun.policies import policy_by_name

PROBE_SAMPLES = 3


def main() -> None:
    """Quantise what the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("model", type=Path, help="network with all exits")
    parser.add_argument("images", type=Path, help="array of raw samples")
    parser.add_argument("out", type=Path, help="folder to write graphs into")
    parser.add_argument("--method", choices=CALIBRATORS, required=True)
    parser.add_argument("--input", required=True, help="name of the graph's input")
    args = parser.parse_args()
    images = np.load(args.images)
    meter = CostMeter()
    model = ir.load(args.model)
    exits = tuple(value.name or "" for value in model.graph.outputs)
    policy = policy_by_name("max-probability")
    source = Lowering(
        split=split_model(model, exits, {args.input: images[:PROBE_SAMPLES]}, policy),
        ranges=None,
        keep_float=frozenset(),
    )
    every = Survivors(rows=np.arange(len(images)), reached=len(images), padded=False)
    ranges = calibrate(
        source.split,
        Samples(inputs={args.input: images}, labels=None),
        calibrator=args.method,
        calibrate_on="all",
        survivors=(every,) * len(exits),
        keep_float=frozenset(),
        stages=SilentStages(),
    )
    meter.calibrated()
    graphs = lower(source, ranges, family="onnxruntime")
    args.out.mkdir()
    for index, graph in enumerate((*graphs.segments, graphs.whole)):
        (args.out / f"{index}.onnx").write_bytes(graph)
    meter.report(version="this checkout")


if __name__ == "__main__":
    main()
