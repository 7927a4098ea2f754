"""Check that the chain with exits off answers like the graph that it was cut from."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from eecompile.session import run_model
from eengines.errors import BuildError
from eengines.tensors import Array
from eerun.executor import ChainExecutor

__all__ = ["LOGIT_TOLERANCE", "check_chain", "relative_error"]

LOGIT_TOLERANCE = 1e-3
"""Largest difference of logits, relative to their standard deviation. Float32 kernels that sum in another order differ
by about 1e-5; a wrong graph differs by about 1."""


def check_chain(executor: ChainExecutor, model: ir.Model, exits: Sequence[str], samples: Mapping[str, Array]) -> float:
    """Compare every exit on some samples; return the largest relative error.

    Raises:
        BuildError: an exit differs by more than `LOGIT_TOLERANCE`.
    """
    rows = {name: array[: executor.max_batch] for name, array in samples.items()}
    logits, _ = executor.record(rows)
    expected = run_model(model, rows)
    errors = []
    for index, (name, value) in enumerate(zip(exits, model.graph.outputs, strict=True)):
        error = relative_error(logits[:, index], expected[value.name or ""])
        if not error <= LOGIT_TOLERANCE:
            raise BuildError(
                f"exit {name!r}",
                f"the chain's logits differ from the whole network's by {error:.2g} of their spread, "
                f"expected at most {LOGIT_TOLERANCE}",
                "Report this with the model",
            )
        errors.append(error)
    return max(errors)


def relative_error(got: Array, expected: Array) -> float:
    """Largest absolute difference, relative to the standard deviation of what was expected."""
    spread = max(float(expected.std()), 1e-6)
    return float(np.abs(got.astype(np.float64) - expected).max()) / spread
