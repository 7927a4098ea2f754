"""Quantise an ONNX graph with nvidia-modelopt, in a virtual environment of its own.

    MODELOPT/bin/python benchmarks/calibration_modelopt.py MODEL.onnx IMAGES.npy OUT.onnx --method entropy

It calibrates at batch 1 unless it is told a shape, and then leaves every Gemm in float; its high precision is float16
unless told otherwise.
"""

import argparse
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from modelopt.onnx.quantization import quantize

from benchmarks.calibration_cost import CostMeter


def main() -> None:
    """Quantise what the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path, help="array of raw samples")
    parser.add_argument("out", type=Path, help="ONNX file to write")
    parser.add_argument("--method", choices=("entropy", "max"), required=True)
    parser.add_argument("--input", required=True, help="name of the graph's input")
    parser.add_argument("--batch", type=int, default=32, help="images that run together (default 32)")
    args = parser.parse_args()
    images = np.load(args.images)
    shape = "x".join(str(size) for size in (args.batch, *images.shape[1:]))
    meter = CostMeter()
    quantize(
        str(args.model),
        quantize_mode="int8",
        calibration_data={args.input: images},
        calibration_method=args.method,
        calibration_shapes=f"{args.input}:{shape}",
        calibration_eps=["cpu"],
        high_precision_dtype="fp32",
        output_path=str(args.out),
    )
    meter.report(version=version("nvidia-modelopt"))


if __name__ == "__main__":
    main()
