"""Check that the chain with exits off answers like the graph that it was cut from."""

from collections.abc import Mapping, Sequence

import onnx_ir as ir

from eecalib.record import Recorder
from eecompile.build.graph_rows import graph_rows, sample_outputs
from eecompile.relative_error import relative_error
from eecompile.session import run_model
from eengines.errors import BuildError
from eengines.tensors import Array

__all__ = ["LOGIT_TOLERANCE", "check_chain"]

LOGIT_TOLERANCE = 1e-4
"""Largest difference of logits, relative to their spread. Float32 kernels that sum in another order differ by about
1e-6 of it; a wrong graph by 1e-2 or more."""


def check_chain(
    executor: Recorder, model: ir.Model, exits: Sequence[str], samples: Mapping[str, Array], *, fold: int
) -> float:
    """Compare every exit on some samples; return the largest relative error.

    Args:
        executor: the chain.
        model: the whole graph with all exits.
        exits: their names.
        samples: raw samples; not more are taken than run together.
        fold: images a row of the graphs.

    Raises:
        BuildError: an exit differs by more than `LOGIT_TOLERANCE`.
    """
    taken = {name: array[: executor.max_batch] for name, array in samples.items()}
    logits, _ = executor.record(taken)
    expected = run_model(model, graph_rows(taken, fold))
    errors = []
    for index, (name, value) in enumerate(zip(exits, model.graph.outputs, strict=True)):
        error = relative_error(logits[:, index], sample_outputs(expected[value.name or ""], fold, len(logits)))
        if not error <= LOGIT_TOLERANCE:
            raise BuildError(
                f"exit {name!r}",
                f"the chain's logits differ from the whole network's by {error:.2g} of their spread, "
                f"expected at most {LOGIT_TOLERANCE}",
                "Report this with the model",
            )
        errors.append(error)
    return max(errors)
