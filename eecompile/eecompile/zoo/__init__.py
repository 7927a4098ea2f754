"""Architectures that a checkpoint can name."""

from eecompile.zoo.table import lookup

__all__ = ["lookup"]
