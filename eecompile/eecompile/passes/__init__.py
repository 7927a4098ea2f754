"""Changes to the whole graph before it is split."""

from eecompile.passes.convert_input import convert_input
from eecompile.passes.prepend_input_conversion import prepend_input_conversion

__all__ = ["convert_input", "prepend_input_conversion"]
