"""Changes to the whole graph before it is split."""

from eecompile.passes.prepend_input_conversion import prepend_input_conversion

__all__ = ["prepend_input_conversion"]
