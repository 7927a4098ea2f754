"""`eerun.load` and the model it returns: what services embed."""

from eerun.model.load import load
from eerun.model.model import Model
from eerun.model.result import Result

__all__ = ["Model", "Result", "load"]
