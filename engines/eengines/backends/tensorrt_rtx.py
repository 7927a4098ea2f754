"""TensorRT for RTX: for Turing, Ampere, Ada and Blackwell GPUs. It builds for a card that is not there."""

from eengines.nvinfer.backend import NvInferBackend
from eengines.nvinfer.library import Library

__all__ = ["TensorRtRtxBackend"]


class TensorRtRtxBackend(NvInferBackend):
    """Builds plans with TensorRT for RTX and loads them. It measures nothing while building, so it keeps no times."""

    name = "tensorrt_rtx"

    def __init__(self) -> None:
        super().__init__(Library(title="TensorRT for RTX", module="tensorrt_rtx", extra="rtx"))
