"""TensorRT for RTX: for Turing, Ampere, Ada and Blackwell GPUs. It builds for a card that is not there."""

from eengines.nvinfer.backend import NvInferBackend
from eengines.nvinfer.library import Library

__all__ = ["TensorRtRtxBackend"]


class TensorRtRtxBackend(NvInferBackend):
    """Builds plans with TensorRT for RTX and loads them. It measures nothing while building, so it keeps no times.

    Args:
        ordinal: of the GPU, as the driver counts.
    """

    name = "tensorrt_rtx"

    def __init__(self, *, ordinal: int = 0) -> None:
        library = Library(title="TensorRT for RTX", module="tensorrt_rtx", extra="rtx")
        super().__init__(library, ordinal=ordinal, keep_times=False)
