"""TensorRT: 8.6.1 for P100, 10.4.0 for V100, 10.x and 11.x for T4 and later. It builds on the card that will run."""

from pathlib import Path

from eengines.nvinfer.backend import NvInferBackend
from eengines.nvinfer.library import Library

__all__ = ["TensorRtBackend"]


class TensorRtBackend(NvInferBackend):
    """Builds plans with TensorRT and loads them.

    Args:
        timing_cache: file in which times of tactics are kept between builds; None: they are not kept.
    """

    name = "tensorrt"

    def __init__(self, *, timing_cache: Path | None = None) -> None:
        library = Library(title="TensorRT", module="tensorrt", extra="tensorrt")
        super().__init__(library, timing_cache=timing_cache)
