"""Say in one line that the extra `compile` is missing, instead of an ImportError from the depths."""

from importlib.util import find_spec

from eengines.errors import UserError

__all__ = ["require_compile_extra"]

NEEDED = ("torch", "onnx", "onnx_ir", "onnxscript", "networkx")


def require_compile_extra() -> None:
    """Check that what compiling needs is installed.

    Raises:
        UserError: something is not.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UserError("eecompile", f"not installed: {', '.join(missing)}", "Run pip install 'eecompile[compile]'")
