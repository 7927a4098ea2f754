"""What can be changed in a network that was refused. A repair that finds nothing to change ends the search."""

from eengines.nvinfer import api
from eengines.nvinfer.library_api import TensorRt
from eengines.nvinfer.repair_gemm import repair_gemm
from eengines.nvinfer.repair_quantised import repair_quantised

__all__ = ["repair"]

REPAIRS = (repair_gemm, repair_quantised)


def repair(trt: TensorRt, network: api.INetworkDefinition, text: str) -> tuple[str, ...]:
    """Change a network so that it is not refused for the same reason again.

    Args:
        trt: the library.
        network: changed in place.
        text: what the library said, one error a line.

    Returns:
        one sentence for each change; empty: nothing can be changed.
    """
    return tuple(note for one in REPAIRS for note in one(trt, network, text))
