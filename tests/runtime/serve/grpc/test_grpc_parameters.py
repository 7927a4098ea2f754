"""Parameters of requests: what HTTP takes and refuses, gRPC does too, in the same words."""

import math

import grpc
import pytest
import tritonclient.grpc.service_pb2 as published
import tritonclient.http
from both_transports import both_on_thread
from tritonclient.utils import InferenceServerException

from eerun.serve.grpc.convert import read_request
from eerun.serve.oip.answer import LONGEST_DEADLINE_MS
from eerun.serve.settings import ServeSettings

SAMPLES = 20
KINDS = {bool: "bool_param", int: "int64_param", str: "string_param", float: "double_param"}
HTTP_STATUS = {grpc.StatusCode.INVALID_ARGUMENT: "400"}
DAY_MS = LONGEST_DEADLINE_MS


@pytest.fixture(scope="module")
def both(tiny_bundle):
    options = {"engine": "onnxruntime", "threads": 2, "reload_s": 0.0, "port": 0, "grpc_port": 0}
    with both_on_thread(ServeSettings(bundles=(("tiny", tiny_bundle.path),), **options)) as found:
        yield found


def over_http(both, x, parameters):
    """The exits where samples leave; or status, and why there are none."""
    given = tritonclient.http.InferInput("x", list(x.shape), "FP32")
    given.set_data_from_numpy(x)
    try:
        return both.http.infer("tiny", [given], parameters=parameters).as_numpy("exit_index").tolist()
    except InferenceServerException as error:
        return error.status(), error.message()


def message(x, parameters, field=None):
    request = published.ModelInferRequest(model_name="tiny", raw_input_contents=[x.tobytes()])
    request.inputs.add(name="x", datatype="FP32", shape=x.shape)
    for name, value in parameters.items():
        setattr(request.parameters[name], field or KINDS[type(value)], value)
    return request


def over_grpc(both, x, parameters, field=None):
    """The same of gRPC, with the status that HTTP has for its code."""
    try:
        answer = both.stub.ModelInfer(message(x, parameters, field))
    except grpc.RpcError as error:
        return HTTP_STATUS.get(error.code(), "?"), error.details()
    return tritonclient.grpc.InferResult(answer).as_numpy("exit_index").tolist()


TAKEN = [
    {},
    {"deadline_ms": 60_000},
    {"deadline_ms": 60_000.5},
    {"deadline_ms": DAY_MS},
    {"max_exit": 0},
    {"max_exit": 1},
    {"min_exit": 1},
    {"min_exit": 0, "max_exit": 0, "deadline_ms": 60_000},
    {"unknown": True, "other": "text", "more": 1.5, "number": -7},
    {"": "no name"},
    {"Max_Exit": 0},
    {"priority_of_mine": 2**62},
]
REFUSED = [
    {"deadline_ms": True},
    {"deadline_ms": "5"},
    {"deadline_ms": ""},
    {"deadline_ms": 0},
    {"deadline_ms": -1},
    {"deadline_ms": -0.0},
    {"deadline_ms": DAY_MS + 1},
    {"deadline_ms": 1e300},
    {"deadline_ms": 2**63 - 1},
    {"max_exit": True},
    {"max_exit": "0"},
    {"max_exit": 1.0},
    {"max_exit": 0.5},
    {"max_exit": -1},
    {"max_exit": 2},
    {"max_exit": 2**40},
    {"max_exit": -(2**63)},
    {"min_exit": False},
    {"min_exit": "x" * 1000},
    {"min_exit": 1.0},
    {"min_exit": -1},
    {"min_exit": 2},
    {"min_exit": 2**62},
    {"min_exit": 1, "max_exit": 0},
]


@pytest.mark.parametrize("parameters", TAKEN, ids=str)
def test_what_http_takes(both, tiny_bundle, parameters):
    x = tiny_bundle.x[:SAMPLES]
    found = over_grpc(both, x, parameters)
    assert isinstance(found, list)
    assert found == over_http(both, x, parameters)


@pytest.mark.parametrize("parameters", REFUSED, ids=lambda parameters: str(parameters)[:40])
def test_what_http_refuses(both, tiny_bundle, parameters):
    x = tiny_bundle.x[:SAMPLES]
    found = over_grpc(both, x, parameters)
    assert found[0] == "400"
    assert found == over_http(both, x, parameters)


@pytest.mark.parametrize(("name", "value"), [("max_exit", 0), ("min_exit", 1), ("deadline_ms", 60_000)])
def test_a_uint64_is_a_number_like_others(both, tiny_bundle, name, value):
    x = tiny_bundle.x[:SAMPLES]
    assert over_grpc(both, x, {name: value}, "uint64_param") == over_grpc(both, x, {name: value})


@pytest.mark.parametrize("value", [2**63, 2**64 - 1])
def test_a_uint64_that_is_no_int64_is_refused_as_over_http(both, tiny_bundle, value):
    x = tiny_bundle.x[:SAMPLES]
    for name in ("max_exit", "min_exit", "deadline_ms"):
        found = over_grpc(both, x, {name: value}, "uint64_param")
        assert found[0] == "400"
        assert found == over_http(both, x, {name: value})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["deadline_ms", "max_exit", "min_exit"])
def test_what_is_no_number_is_refused(both, tiny_bundle, name, value):
    """JSON does not have these."""
    status, words = over_grpc(both, tiny_bundle.x[:SAMPLES], {name: value})
    assert status == "400"
    assert f"parameter {name}" in words


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e300, 0, -1, DAY_MS + 1, True, "5"])
def test_a_client_that_does_not_wait_for_ever_makes_no_deadline_right(both, tiny_bundle, value):
    with pytest.raises(grpc.RpcError, match="parameter deadline_ms") as caught:
        both.stub.ModelInfer(message(tiny_bundle.x[:SAMPLES], {"deadline_ms": value}), timeout=30)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_client_that_waits_for_days_has_no_deadline(both, tiny_bundle):
    sent = message(tiny_bundle.x[:SAMPLES], {})
    assert both.stub.ModelInfer(sent, timeout=3 * DAY_MS / 1000).model_name == "tiny"
    assert read_request(sent, 3 * DAY_MS / 1000).parameters == {}


@pytest.mark.parametrize("part", ["parameters", "inputs", "outputs"])
def test_parameters_without_a_value_are_refused(both, tiny_bundle, part):
    """As `null` is over HTTP."""
    sent = message(tiny_bundle.x[:SAMPLES], {})
    sent.outputs.add(name="label")
    target = sent if part == "parameters" else getattr(sent, part)[0]
    target.parameters["empty"].SetInParent()
    with pytest.raises(grpc.RpcError, match="parameter 'empty': it has no value") as caught:
        both.stub.ModelInfer(sent)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_extensions_of_outputs_that_are_not_here(both, tiny_bundle):
    wanted = tritonclient.http.InferRequestedOutput("label", class_count=2)
    x = tiny_bundle.x[:SAMPLES]
    given = tritonclient.http.InferInput("x", list(x.shape), "FP32")
    given.set_data_from_numpy(x)
    with pytest.raises(InferenceServerException) as refused:
        both.http.infer("tiny", [given], outputs=[wanted])
    sent = message(x, {})
    sent.outputs.add(name="label").parameters["classification"].int64_param = 2
    with pytest.raises(grpc.RpcError) as caught:
        both.stub.ModelInfer(sent)
    assert "got parameter classification, which this server does not have" in caught.value.details()
    assert caught.value.details().removeprefix("output ") == refused.value.message()
    sent.outputs[0].parameters["classification"].int64_param = 0
    assert [each.name for each in both.stub.ModelInfer(sent).outputs] == ["label"]
