"""From a model file to an ONNX graph with a symbolic batch."""

from eecompile.ingest.check import check_against_torch
from eecompile.ingest.ingest import ingest
from eecompile.ingest.ingested import Ingested, IngestSettings

__all__ = ["IngestSettings", "Ingested", "check_against_torch", "ingest"]
