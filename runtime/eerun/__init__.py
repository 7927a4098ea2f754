"""Run bundles of multi-exit networks: `eerun.load("model.ee").infer(x)`."""

from eerun.model import Model, Result, load

__all__ = ["Model", "Result", "load"]
__version__ = "0.1.0"
