"""A model file becomes one ONNX graph with all exits as outputs."""

from eecompile.ingest.check import check_against_torch
from eecompile.ingest.ingest import ingest
from eecompile.ingest.ingested import Ingested, Reference
from eecompile.ingest.settings import IngestSettings

__all__ = ["IngestSettings", "Ingested", "Reference", "check_against_torch", "ingest"]
