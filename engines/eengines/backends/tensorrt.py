"""TensorRT: 8.6.1 for P100, 10.4.0 for V100, 10.x and 11.x for T4 and later. It builds on the card that will run."""

from pathlib import Path

from eengines.nvinfer.backend import NvInferBackend
from eengines.nvinfer.library import Library

__all__ = ["TensorRtBackend"]


class TensorRtBackend(NvInferBackend):
    """Builds plans with TensorRT and loads them.

    Args:
        ordinal: of the GPU, as the driver counts.
        timing_cache: file in which times of tactics are kept between builds; None: one in the user's cache folder,
            for this version and kind of card.
        keep_times: whether they are kept at all.
    """

    name = "tensorrt"

    def __init__(self, *, ordinal: int = 0, timing_cache: Path | None = None, keep_times: bool = True) -> None:
        library = Library(title="TensorRT", module="tensorrt", extra="tensorrt")
        super().__init__(library, ordinal=ordinal, timing_cache=timing_cache, keep_times=keep_times)
