"""Quantise an ONNX graph with ONNX Runtime's own quantiser, in a process of its own.

    python benchmarks/calibration_ort.py MODEL.onnx IMAGES.npy OUT.onnx --method entropy

As its documentation recommends: pre-processed, Q/DQ, uint8 activations, int8 weights by channel. `quantize_static` has
no option for the bins of its histograms, and with the default of 128 its "entropy" gives the ranges of min-max; so the
calibrator is made here, with 2048 bins, and its ranges are handed over in a cache file.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import onnxruntime
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    create_calibrator,
    quantize_static,
)
from onnxruntime.quantization.calibrate import save_tensors_data
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry
from onnxruntime.quantization.shape_inference import quant_pre_process

from benchmarks.calibration_cost import CostMeter

METHODS = {"min-max": CalibrationMethod.MinMax, "entropy": CalibrationMethod.Entropy}
BINS = 2048


class Images(CalibrationDataReader):  # type: ignore[misc]
    """Batches of images."""

    def __init__(self, images: np.ndarray, *, name: str, batch: int) -> None:
        self._batches: Iterator[dict[str, np.ndarray]] = iter(
            [{name: images[start : start + batch]} for start in range(0, len(images), batch)]
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next batch, or None."""
        return next(self._batches, None)


def main() -> None:
    """Quantise what the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path, help="array of raw samples")
    parser.add_argument("out", type=Path, help="ONNX file to write")
    parser.add_argument("--method", choices=METHODS, required=True)
    parser.add_argument("--input", required=True, help="name of the graph's input")
    parser.add_argument("--batch", type=int, default=32, help="images that run together (default 32)")
    args = parser.parse_args()
    images = np.load(args.images)
    meter = CostMeter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ready, cache = folder / "ready.onnx", folder / "ranges.json"
        quant_pre_process(args.model, ready)
        options = {"num_bins": BINS} if args.method == "entropy" else {}
        calibrator = create_calibrator(
            ready,
            sorted({*QLinearOpsRegistry, *QDQRegistry}),
            augmented_model_path=str(folder / "augmented.onnx"),
            calibrate_method=METHODS[args.method],
            extra_options=options,
        )
        calibrator.collect_data(Images(images, name=args.input, batch=args.batch))
        save_tensors_data(calibrator.compute_data(), cache)
        meter.calibrated()
        quantize_static(
            ready,
            args.out,
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=METHODS[args.method],
            calibration_cache_path=cache,
        )
    meter.report(version=onnxruntime.__version__)


if __name__ == "__main__":
    main()
