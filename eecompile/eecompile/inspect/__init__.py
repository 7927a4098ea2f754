"""Say in text what is inside a bundle, a checkpoint or an ONNX graph."""

from eecompile.inspect.inspect import inspect_text

__all__ = ["inspect_text"]
