"""Answer from an array that is on the GPU already: made by pycuda, cupy or torch, never copied to the host.

python interop.py model.ee data.npz [--library pycuda|cupy|torch] [--engine NAME]
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import eerun
from eengines.backends import DEVICE_BACKENDS
from eengines.devices.cuda import probe_cuda
from eengines.errors import EEError

SAMPLES = 64


def to_pycuda(samples: NDArray[Any]) -> Any:
    """Return a pycuda array, in the GPU's primary context: the one that eerun, TensorRT, torch and cupy are in."""
    import pycuda.autoprimaryctx  # noqa: F401 - importing it makes the context current
    from pycuda import gpuarray

    return gpuarray.to_gpu(samples)


def to_cupy(samples: NDArray[Any]) -> Any:
    """Return a cupy array."""
    import cupy

    return cupy.asarray(samples)


def to_torch(samples: NDArray[Any]) -> Any:
    """Return a torch tensor on the GPU."""
    import torch

    return torch.from_numpy(samples).cuda()


LIBRARIES: Mapping[str, Callable[[NDArray[Any]], Any]] = {"pycuda": to_pycuda, "cupy": to_cupy, "torch": to_torch}


def compare(bundle: Path, data: Path, *, library: str, engine: str) -> str:
    """Answer the same samples from the GPU and from the host, and say whether the answers are the same."""
    with np.load(data, allow_pickle=False) as arrays:
        samples = np.ascontiguousarray(arrays["x_test" if "x_test" in arrays else "x"][:SAMPLES])
    on_gpu = LIBRARIES[library](samples)
    model = eerun.load(bundle, engine=engine)
    if model.engine not in DEVICE_BACKENDS:
        return f"{bundle} runs on the CPU here ({model.engine}): build it again on this machine, then repeat this"
    there, here = model.infer(on_gpu), model.infer(samples)
    same = int((there.labels == here.labels).sum())
    return f"{model.engine}, {library}: {same} of {len(samples)} answers are the same from the GPU and from the host"


def main() -> None:
    """Read the command line; ends with one line if something is missing."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data", type=Path, help="an .npz with `x` or `x_test`")
    parser.add_argument("--library", choices=tuple(LIBRARIES), default="pycuda")
    parser.add_argument("--engine", default="auto")
    given = parser.parse_args()
    capability = probe_cuda()
    if not capability.ok:
        raise SystemExit(f"no GPU: {capability.reason}")
    try:
        print(compare(given.bundle, given.data, library=given.library, engine=given.engine))
    except ImportError as error:
        raise SystemExit(f"{given.library} is not installed: {error}") from error
    except (EEError, OSError, KeyError) as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
