"""Compare an exported graph with the torch module that it came from."""

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from eecompile.ingest.ingested import Reference
from eecompile.session import run_model
from eengines.errors import IngestError
from eengines.tensors import Array

__all__ = ["TOLERANCE", "check_against_torch"]

TOLERANCE = 1e-3
"""Largest difference of logits, relative to their standard deviation. BatchNorm folding and other kernels change
float32 logits by about 1e-5 of it, in deep networks 1e-4; a wrong graph by about 1."""


def check_against_torch(model: ir.Model, reference: Reference, inputs: Mapping[str, Array]) -> float:
    """Run both on network inputs; return the largest difference relative to the logits' standard deviation.

    Raises:
        IngestError: an exit differs by more than `TOLERANCE`.
    """
    got = run_model(model, inputs)
    expected = reference(inputs)
    largest = 0.0
    for value, logits in zip(model.graph.outputs, expected, strict=True):
        spread = max(float(logits.std()), 1e-6)
        error = float(np.abs(got[value.name or ""].astype(np.float64) - logits).max()) / spread
        if not error <= TOLERANCE:
            raise IngestError(
                f"exit {value.name!r}",
                f"the exported graph differs from torch by {error:.2g} of the logits' spread, expected {TOLERANCE}",
                "Report this with the model",
            )
        largest = max(largest, error)
    return largest
