"""Does the graph compute what the network in torch computes?"""

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from eecompile.ingest.ingested import Reference
from eecompile.relative_error import relative_error
from eecompile.session import run_model
from eengines.errors import IngestError
from eengines.tensors import Array

__all__ = ["MAX_RELATIVE_ERROR", "check_against_torch"]

MAX_RELATIVE_ERROR = 1e-4
"""Both sides compute in float32, but batch normalisation is folded into the weights and sums are taken in another
order. Each rounding is up to 6e-8 of a value; over a hundred layers this adds up to some 1e-6 of the spread of the
logits, more where terms cancel. A wrong graph (an input twice normalised, an axis exchanged) is off by 1e-2 or more."""


def check_against_torch(model: ir.Model, reference: Reference, inputs: Mapping[str, Array]) -> float:
    """Run the graph with ONNX Runtime and the network with torch on the same inputs, and compare.

    Args:
        model: what `ingest` returned.
        reference: the same network in torch.
        inputs: what both are given, `[batch, ...]` by input name.

    Returns:
        the greatest difference of any logit, in units of the spread (greatest less least logit) of its exit.

    Raises:
        IngestError: an exit is not finite, or differs by more than `MAX_RELATIVE_ERROR`.
    """
    got = run_model(model, inputs)
    worst = 0.0
    for value, theirs in zip(model.graph.outputs, reference(inputs), strict=True):
        name = str(value.name)
        worst = max(worst, _relative_error(name, got[name], theirs))
    return worst


def _relative_error(name: str, ours: Array, theirs: Array) -> float:
    where = f"exit '{name}'"
    if ours.shape != theirs.shape:
        problem = f"the graph gives {list(ours.shape)}, torch {list(theirs.shape)}"
        raise IngestError(where, problem, "Export the network with a dynamic batch axis")
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        raise IngestError(where, "the logits are not finite, expected numbers", "Check the weights and the input scale")
    error = relative_error(ours, theirs)
    if error > MAX_RELATIVE_ERROR:
        problem = f"the graph and torch differ by {error:.2e} of the logits' spread, expected {MAX_RELATIVE_ERROR:.0e}"
        raise IngestError(where, problem, "Check that the module is deterministic and has no branches on values")
    return error
