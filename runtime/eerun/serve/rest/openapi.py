"""`/openapi.json`: what the HTTP interface takes and gives, for tools."""

import importlib.metadata
from collections.abc import Mapping
from typing import Any

from eerun.serve.oip.datatypes import DTYPES
from eerun.serve.oip.metadata import OUTPUT_DATATYPES
from eerun.serve.repository import Repository

__all__ = ["openapi_document"]

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
PARAMETERS: Schema = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
DATATYPE: Schema = {"type": "string", "enum": list(DTYPES)}
NUMBERS: Schema = {"type": "array", "items": {"type": ["number", "boolean", "array"]}}


def openapi_document(repository: Repository) -> Schema:
    """Return the OpenAPI 3.1 document of a server with these models."""
    paths = _server_paths()
    model: dict[str, Schema] = {"model": {"type": "string", "enum": list(repository.names())}}
    for path, item in _model_paths().items():
        paths[f"/v2/models/{{model}}{path}"] = _with_path_parameters(item, model)
        versioned = {**model, "version": {"type": "string"}}
        paths[f"/v2/models/{{model}}/versions/{{version}}{path}"] = _with_path_parameters(item, versioned)
    for verb in ("load", "unload"):
        body = _object({"parameters": {"type": "object"}}, required=())
        paths[f"/v2/repository/models/{{model}}/{verb}"] = _with_path_parameters(
            {"post": _operation(f"{verb} a model", {"type": "object"}, body=body)}, model
        )
    version = importlib.metadata.version("eecompile")
    return {"openapi": "3.1.0", "info": {"title": "eerun", "version": version}, "paths": paths}


def _server_paths() -> Schema:
    live, entry = _object({"live": FLAG}), {"name": TEXT, "version": TEXT, "state": TEXT, "reason": TEXT}
    ready = _object({"live": FLAG, "ready": FLAG})
    metadata = _object({"name": TEXT, "version": TEXT, "extensions": _list(TEXT)})
    index = _operation("the models", _list(_object(entry)), body=_object({"ready": FLAG}, required=()))
    return {
        "/v2": {"get": _operation("metadata of the server", metadata)},
        "/v2/health/live": {"get": _operation("whether the server runs", live)},
        "/v2/health/ready": {"get": _operation("whether every model is ready", ready, not_ready=ready)},
        "/v2/models/stats": {"get": _operation("statistics of all models", _statistics())},
        "/v2/repository/index": {"post": index},
    }


def _model_paths() -> Schema:
    tensor = _object({"name": TEXT, "datatype": DATATYPE, "shape": _list({"type": "integer", "minimum": -1})})
    metadata = {"name": TEXT, "versions": _list(TEXT), "platform": TEXT, "inputs": _list(tensor)}
    ready = _object({"name": TEXT, "ready": FLAG})
    return {
        "": {"get": _operation("metadata of a model", _object({**metadata, "outputs": _list(tensor)}))},
        "/ready": {"get": _operation("whether a model is ready", ready, not_ready=ready)},
        "/config": {"get": _operation("configuration of a model", _object({"name": TEXT, "max_batch_size": COUNT}))},
        "/stats": {"get": _operation("statistics of a model", _statistics())},
        "/infer": {"post": _operation("answer samples", _response(), body=_request())},
    }


def _request() -> Schema:
    """An inference request in JSON alone."""
    given = {"name": TEXT, "shape": _list(COUNT), "datatype": DATATYPE, "data": NUMBERS}
    output = {"name": {"type": "string", "enum": list(OUTPUT_DATATYPES)}}
    inputs = {**_list(_object({**given, "parameters": PARAMETERS}, required=given)), "minItems": 1}
    outputs = _list(_object({**output, "parameters": PARAMETERS}, required=output))
    properties = {"id": TEXT, "parameters": PARAMETERS, "inputs": inputs, "outputs": outputs}
    return _object(properties, required=("inputs",))


def _response() -> Schema:
    tensor = {"name": TEXT, "shape": _list(COUNT), "datatype": DATATYPE}
    optional = {"data": NUMBERS, "parameters": PARAMETERS}
    outputs = _list(_object({**tensor, **optional}, required=tensor))
    answer = {"model_name": TEXT, "model_version": TEXT, "outputs": outputs}
    return _object({**answer, "id": TEXT, "parameters": PARAMETERS}, required=answer)


def _statistics() -> Schema:
    durations = _object({"count": COUNT, "ns": COUNT})
    names = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output")
    counts = {"inference_count": COUNT, "execution_count": COUNT}
    stats = _object(dict.fromkeys(names, durations))
    return _object({"model_stats": _list(_object({"name": TEXT, "version": TEXT, **counts, "inference_stats": stats}))})


def _object(properties: Mapping[str, Schema], required: Any = None) -> Schema:
    """An object that has these properties; `required` None: all of them."""
    names = list(properties if required is None else required)
    return {"type": "object", "properties": dict(properties), **({"required": names} if names else {})}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _operation(summary: str, answer: Schema, *, body: Schema | None = None, not_ready: Schema | None = None) -> Schema:
    """One method of a path; whatever goes wrong is told in the protocol's error object."""
    error = _object({"error": TEXT})
    operation: Schema = {
        "summary": summary,
        "responses": {"200": _content("answered", answer), "default": _content("not answered", error)},
    }
    if not_ready is not None:
        operation["responses"]["503"] = _content("not ready", not_ready)
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation


def _content(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _with_path_parameters(item: Schema, parameters: Mapping[str, Schema]) -> Schema:
    found = [{"name": name, "in": "path", "required": True, "schema": schema} for name, schema in parameters.items()]
    return {**item, "parameters": found}
