"""What goes into ingest, and what comes out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import onnx_ir as ir

from eecompile.input_info import InputInfo
from eengines.tensors import Array

__all__ = ["IngestSettings", "Ingested", "Reference"]

Reference = Callable[[Mapping[str, Array]], list[Array]]
"""Runs the network in torch: network inputs by name to the logits of every exit."""


@dataclass(frozen=True, kw_only=True)
class IngestSettings:
    """What a user can say of a model file; see `BuildSettings` for each field."""

    factory: str | None = None
    exits: tuple[str, ...] | None = None
    trust: bool = False
    input_shape: tuple[int, ...] | None = None
    input_dtype: str | None = None
    layout: str | None = None
    scale: float | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """A network as an ONNX graph.

    Attributes:
        model: network inputs with the symbolic axis `batch` in front; outputs are the exits, shallow to deep.
        inputs: raw samples as the user has them; not yet part of the graph.
        exits: names of the exits.
        classes: names of the classes, or None.
        task: `classification`.
        reference: the network in torch; None for ONNX files.
        source_sha256: digest of the model file.
    """

    model: ir.Model
    inputs: tuple[InputInfo, ...]
    exits: tuple[str, ...]
    classes: tuple[str, ...] | None
    task: str
    reference: Reference | None
    source_sha256: str
