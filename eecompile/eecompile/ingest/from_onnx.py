"""An ONNX graph whose outputs are the exits; no code in it can run."""

from pathlib import Path

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError

from eecompile.ingest.external_data import external_files
from eecompile.ingest.graph_contract import finish_graph, network_inputs, pick_exits, task_of
from eecompile.ingest.ingested import Ingested
from eecompile.ingest.raw_input import raw_inputs
from eecompile.ingest.sequence_axis import with_sequences
from eecompile.ingest.settings import IngestSettings
from eecompile.ingest.source_hash import source_hash
from eengines.errors import IngestError

__all__ = ["MIN_OPSET", "ingest_onnx"]

MIN_OPSET = 18
"""From here on the axes of reductions are inputs; torch's exporter writes this opset or a later one."""

MIN_IR_VERSION = 8
"""The ONNX file version that belongs to opset 18."""


def ingest_onnx(path: Path, settings: IngestSettings) -> Ingested:
    """Read, check and upgrade an ONNX graph.

    Raises:
        IngestError: see `ingest`.
    """
    where = str(path)
    settings.refuse(("factory",), where=where, why="an ONNX graph needs none")
    proto, files = _load(path)
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError) as error:
        problem = f"is not a valid ONNX graph: {str(error).strip().splitlines()[0]}"
        raise IngestError(where, problem, "Export it again with a current exporter") from error
    proto = _upgrade(proto, where=where)
    outputs = tuple(value.name for value in proto.graph.output)
    exits = pick_exits(outputs, settings.exits, where=where)
    model = ir.from_proto(proto)
    finish_graph(model, exits=exits, where=where, sequence=settings.sequence_max is not None)
    network = network_inputs(model, settings.sequence_max)
    return Ingested(
        model=model,
        inputs=with_sequences(raw_inputs(network, settings, where=where), model),
        exits=exits,
        classes=None,
        task=task_of(model),
        reference=None,
        source_sha256=source_hash([path, *files]),
    )


def _load(path: Path) -> tuple[onnx.ModelProto, list[Path]]:
    """Read the graph with all weights; external data files may only lie in the folder of the graph."""
    try:
        proto = onnx.load(path, load_external_data=False)
        files = external_files(proto, path)
        onnx.load_external_data_for_model(proto, str(path.parent))
    except FileNotFoundError as error:
        raise IngestError(str(path), "no such file", "Check the path of the model") from error
    except DecodeError as error:
        raise IngestError(str(path), "is damaged or not an ONNX file", "Export it again") from error
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        problem = f"does not load with its external data: {error}"
        raise IngestError(str(path), problem, "Copy the graph together with its data files") from error
    return proto, files


def _upgrade(proto: onnx.ModelProto, *, where: str) -> onnx.ModelProto:
    versions = [entry.version for entry in proto.opset_import if entry.domain in {"", "ai.onnx"}]
    if not versions:
        raise IngestError(where, "imports no version of the ONNX operators", "Export it again")
    if versions[0] < MIN_OPSET:
        try:
            proto = onnx.version_converter.convert_version(proto, MIN_OPSET)
        except (RuntimeError, onnx.version_converter.ConvertError) as error:
            problem = f"has opset {versions[0]}, expected {MIN_OPSET} or later; converting it fails: {error}"
            raise IngestError(where, problem, f"Export it again with opset {MIN_OPSET} or later") from error
    proto.ir_version = max(proto.ir_version, MIN_IR_VERSION)
    return proto
