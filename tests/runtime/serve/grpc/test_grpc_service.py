"""The real tritonclient against the gRPC server."""

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
import tritonclient.grpc as client
import tritonclient.grpc.service_pb2 as published
from tritonclient.grpc import service_pb2_grpc
from tritonclient.utils import InferenceServerException

import eerun
from eerun.serve.errors import RequestError
from eerun.serve.grpc.contents import tensors_of
from eerun.serve.grpc.message_table import HEALTH
from eerun.serve.grpc.messages import message


def tensor(x, datatype="FP32", name="x"):
    given = client.InferInput(name, x.shape, datatype)
    given.set_data_from_numpy(x)
    return given


def same(found, expected, rows):
    """Rows of `infer` on all samples; a batch of another size may differ in the last bits."""
    labels, exits = found.as_numpy("label"), found.as_numpy("exit_index")
    return (
        np.array_equal(labels, expected.labels[rows])
        and np.array_equal(exits, expected.exit_index[rows])
        and np.allclose(found.as_numpy("logits"), expected.outputs[rows], rtol=1e-5, atol=1e-6)
        and np.allclose(found.as_numpy("exit_confidence"), expected.confidence[rows], rtol=1e-5, atol=1e-6)
    )


def code_of(caught):
    return caught.value.status().removeprefix("StatusCode.")


def test_health_and_metadata(triton):
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("tiny")
    assert triton.is_model_ready("tiny", "1")
    assert not triton.is_model_ready("tiny", "9")
    assert not triton.is_model_ready("other")
    server = triton.get_server_metadata()
    assert server.name == "eerun"
    assert "statistics" in server.extensions
    model = triton.get_model_metadata("tiny", as_json=True)
    assert model["platform"] == "eecompile_ee"
    assert model["inputs"] == [{"name": "x", "datatype": "FP32", "shape": ["-1", "24"]}]
    assert [output["name"] for output in model["outputs"]] == ["logits", "label", "exit_index", "exit_confidence"]


def test_answers_are_those_of_infer(triton, tiny_bundle, expected):
    found = triton.infer("tiny", [tensor(tiny_bundle.x)], request_id="a b")
    assert same(found, expected, slice(None))
    assert (found.get_response().id, found.get_response().model_version) == ("a b", "1")
    assert found.as_numpy("logits").dtype == np.float32
    assert found.as_numpy("label").dtype == np.int64
    assert found.as_numpy("exit_index").dtype == np.int32
    assert 0 < found.as_numpy("exit_index").sum() < len(tiny_bundle.x)


def test_only_outputs_that_are_asked_for(triton, tiny_bundle):
    wanted = [client.InferRequestedOutput("label"), client.InferRequestedOutput("exit_index")]
    found = triton.infer("tiny", [tensor(tiny_bundle.x[:3])], outputs=wanted)
    assert [output.name for output in found.get_response().outputs] == ["label", "exit_index"]
    assert found.as_numpy("logits") is None


def test_parameters_say_where_samples_leave(triton, tiny_bundle):
    first = triton.infer("tiny", [tensor(tiny_bundle.x[:50])], parameters={"max_exit": 0})
    assert not first.as_numpy("exit_index").any()
    last = triton.infer("tiny", [tensor(tiny_bundle.x[:50])], parameters={"min_exit": 1, "deadline_ms": 60000})
    assert last.as_numpy("exit_index").all()


def test_asynchronous_client(triton, tiny_bundle, expected):
    done, answers = threading.Event(), []

    def keep(result, error):
        answers.append((result, error))
        done.set()

    triton.async_infer("tiny", [tensor(tiny_bundle.x[:8])], keep)
    assert done.wait(30)
    (result, error), *_ = answers
    assert error is None
    assert same(result, expected, slice(8))


def test_many_clients_at_once_get_their_own_answers(grpc_server, tiny_bundle, expected):
    def ask(number):
        random = np.random.default_rng(number)
        with client.InferenceServerClient(grpc_server.url) as own:
            right = 0
            for _ in range(15):
                rows = random.integers(0, len(tiny_bundle.x), random.integers(1, 12))
                right += same(own.infer("tiny", [tensor(tiny_bundle.x[rows])]), expected, rows)
            return right

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [15] * 8


def stub(url):
    return service_pb2_grpc.GRPCInferenceServiceStub(grpc.insecure_channel(url))


def typed(x, datatype="FP32", field="fp32_contents"):
    request = published.ModelInferRequest(model_name="tiny")
    given = request.inputs.add(name="x", datatype=datatype, shape=x.shape)
    getattr(given.contents, field).extend(x.reshape(-1).tolist())
    return request


def test_typed_contents(grpc_server, tiny_bundle, expected):
    found = client.InferResult(stub(grpc_server.url).ModelInfer(typed(tiny_bundle.x[:5])))
    assert same(found, expected, slice(5))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.inputs[0].contents.fp32_contents.append(1.0), "got 49 fp32_contents, expected 48"),
        (lambda r: r.raw_input_contents.append(b"1234"), "contents in a request with raw_input_contents"),
        (lambda r: setattr(r.inputs[0], "datatype", "FP16"), "got float16, expected float32"),
        (lambda r: setattr(r.inputs[0], "datatype", "BYTES"), "got 'BYTES'"),
        (lambda r: r.inputs[0].shape.__setitem__(0, -2), "negative|sizes of 0 or more"),
        (lambda r: r.parameters["max_exit"].SetInParent(), "it has no value"),
        (lambda r: r.inputs[0].parameters["shared_memory_region"].MergeFrom(text("r")), "shared memory"),
        (lambda r: r.outputs.add(name="label").parameters["classification"].MergeFrom(text("3")), "classification"),
        (lambda r: r.inputs.pop(), "x"),
        (lambda r: r.outputs.add(name="other"), "other"),
    ],
)
def test_what_is_not_the_protocol_is_refused_in_words(grpc_server, tiny_bundle, change, words):
    request = typed(tiny_bundle.x[:2])
    change(request)
    with pytest.raises(grpc.RpcError, match=words) as caught:
        stub(grpc_server.url).ModelInfer(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def text(value):
    return published.InferParameter(string_param=value)


def test_numbers_that_do_not_fit_are_refused():
    with pytest.raises(RequestError, match="do not fit into INT8"):
        tensors_of(typed(np.full((1, 24), 300), "INT8", "int_contents"))
    with pytest.raises(RequestError, match="no field in InferTensorContents"):
        tensors_of(typed(np.zeros((1, 24), np.float32), "FP16"))


def test_long_contents_of_another_type_are_refused_before_they_are_read(grpc_server, monkeypatch):
    monkeypatch.setattr("eerun.serve.grpc.service.read_request", None)
    with pytest.raises(grpc.RpcError, match="got uint32, expected float32"):
        stub(grpc_server.url).ModelInfer(typed(np.ones(1000, np.int64), "UINT32", "uint_contents"))


@pytest.mark.parametrize(
    ("x", "datatype", "words"),
    [
        (np.zeros((2, 23), np.float32), "FP32", "23"),
        (np.zeros((2, 24), np.float64), "FP64", "float64"),
        (np.full((1, 24), np.nan, np.float32), "FP32", "finite"),
    ],
)
def test_wrong_inputs(triton, x, datatype, words):
    with pytest.raises(InferenceServerException, match=words) as caught:
        triton.infer("tiny", [tensor(x, datatype)])
    assert code_of(caught) == "INVALID_ARGUMENT"


def test_unknown_models_and_versions_are_not_found(triton, tiny_bundle):
    for name, version in (("other", ""), ("tiny", "7")):
        with pytest.raises(InferenceServerException) as caught:
            triton.infer(name, [tensor(tiny_bundle.x[:1])], model_version=version)
        assert code_of(caught) == "NOT_FOUND"


def test_too_many_bytes_are_refused(triton, tiny_bundle):
    x = np.concatenate([tiny_bundle.x] * 3)
    with pytest.raises(InferenceServerException) as caught:
        triton.infer("tiny", [tensor(x)])
    assert code_of(caught) == "RESOURCE_EXHAUSTED"
    assert triton.infer("tiny", [tensor(tiny_bundle.x[:1])]).as_numpy("label").shape == (1,)


def test_statistics_grow_by_what_was_sent(triton, tiny_bundle):
    def seen():
        (stats,) = triton.get_inference_statistics("tiny").model_stats
        return stats

    before = seen()
    for _ in range(3):
        triton.infer("tiny", [tensor(tiny_bundle.x[:4])])
    after = seen()
    assert (after.name, after.version) == ("tiny", "1")
    assert after.inference_count - before.inference_count == 12
    assert 1 <= after.execution_count - before.execution_count <= 3
    assert after.inference_stats.success.count - before.inference_stats.success.count == 3
    spent, parts = after.inference_stats.success.ns, after.inference_stats
    assert spent == parts.queue.ns + parts.compute_infer.ns > before.inference_stats.success.ns


def test_configuration_as_load_generators_ask_for_it(triton):
    config = triton.get_model_config("tiny").config
    assert (config.name, config.max_batch_size) == ("tiny", 8)
    assert config.WhichOneof("scheduling_choice") == "dynamic_batching"
    assert [(each.name, each.data_type, list(each.dims)) for each in config.input] == [("x", 11, [24])]
    assert [each.name for each in config.output] == ["logits", "label", "exit_index", "exit_confidence"]


def test_repository_index_and_load(triton):
    (model,) = triton.get_model_repository_index().models
    assert (model.name, model.version, model.state) == ("tiny", "1", "READY")
    triton.load_model("tiny")
    assert triton.get_model_repository_index().models[0].version == "1"
    with pytest.raises(InferenceServerException) as caught:
        triton.load_model("other")
    assert code_of(caught) == "NOT_FOUND"
    with pytest.raises(InferenceServerException, match="a model is what its bundle says"):
        triton.load_model("tiny", config="{}")


def check(url, service):
    answer = message("HealthCheckResponse", HEALTH)
    with grpc.insecure_channel(url) as channel:
        call = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return call(message("HealthCheckRequest", HEALTH)(service=service)).status


def test_health_service(grpc_server):
    assert check(grpc_server.url, "") == check(grpc_server.url, "inference.GRPCInferenceService") == 1
    with pytest.raises(grpc.RpcError) as caught:
        check(grpc_server.url, "other")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_eerun_stays_free_of_grpc():
    assert "grpc" not in dir(eerun)
