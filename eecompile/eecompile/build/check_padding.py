"""Check that answers do not depend on padding: what a sample gets in its length bucket it gets in every other."""

from collections.abc import Mapping, Sequence

import onnx_ir as ir

from eecompile.relative_error import relative_error
from eecompile.session import run_model
from eengines.errors import BuildError
from eengines.tensors import Array
from eerun.bundle import InputEntry
from eerun.sequence import at_length

__all__ = ["PADDING_TOLERANCE", "check_padding"]

PADDING_TOLERANCE = 1e-4
"""Largest difference of logits, relative to their spread. A masked position has weight exp(−large) = 0 in float32, and
adds exact zeros; only the order of sums changes with the length, which is about 1e-6 of the spread. A network that
attends to padding is off by 1e-2 or more."""


def check_padding(
    model: ir.Model,
    exits: Sequence[str],
    samples: Mapping[str, Array],
    inputs: Sequence[InputEntry],
    lengths: Sequence[int],
) -> None:
    """Run samples cut to each length bucket there, and padded to the greatest; the logits must be the same.

    Args:
        model: the whole graph with all exits, taking raw samples.
        exits: names of its exits.
        samples: raw samples, `[samples, ...]` by input name.
        inputs: what they are.
        lengths: the buckets, ascending.

    Raises:
        BuildError: an exit differs by more than `PADDING_TOLERANCE`.
    """
    for length in lengths[:-1]:
        cut = at_length(samples, inputs, length)
        alone, padded = run_model(model, cut), run_model(model, at_length(cut, inputs, lengths[-1]))
        for name, value in zip(exits, model.graph.outputs, strict=True):
            error = relative_error(padded[value.name or ""], alone[value.name or ""])
            if not error <= PADDING_TOLERANCE:
                raise BuildError(
                    f"exit {name!r}",
                    f"samples of length {length} get other logits when they are padded to {lengths[-1]}: they differ "
                    f"by {error:.2g} of their spread, expected at most {PADDING_TOLERANCE}",
                    "Let the network leave out padding: give it an attention mask, in attention and in every mean or "
                    "maximum over positions",
                )
