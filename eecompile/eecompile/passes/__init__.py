"""Changes to the whole graph before it is split."""

from eecompile.passes.peel_softmax import peel_softmax
from eecompile.passes.prepend_input_conversion import prepend_input_conversion

__all__ = ["peel_softmax", "prepend_input_conversion"]
