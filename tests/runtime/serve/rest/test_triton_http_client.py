"""The real `tritonclient[http]` against the server."""

import numpy as np
import pytest
import tritonclient.http as client
from tritonclient.utils import InferenceServerException

OUTPUTS = {"logits": np.float32, "label": np.int64, "exit_index": np.int32, "exit_confidence": np.float32}


@pytest.fixture
def triton(server):
    with client.InferenceServerClient(server.address) as found:
        yield found


def tensor(array, *, binary=True, name="x", datatype="FP32"):
    found = client.InferInput(name, list(array.shape), datatype)
    found.set_data_from_numpy(array, binary_data=binary)
    return found


def check(result, inferred, rows):
    assert np.array_equal(result.as_numpy("label"), inferred.labels[rows])
    assert np.array_equal(result.as_numpy("exit_index"), inferred.exit_index[rows])
    assert np.allclose(result.as_numpy("logits"), inferred.outputs[rows], rtol=1e-4, atol=1e-5)
    assert np.allclose(result.as_numpy("exit_confidence"), inferred.confidence[rows], rtol=1e-4)
    for name, dtype in OUTPUTS.items():
        assert result.as_numpy(name).dtype == dtype


@pytest.mark.parametrize("count", [1, 7, 400])
@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_answers_are_those_of_infer(triton, tiny_bundle, inferred, count, binary):
    result = triton.infer("tiny", [tensor(tiny_bundle.x[:count], binary=binary)])
    check(result, inferred, slice(count))


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_outputs_come_in_the_form_and_order_that_is_asked_for(triton, tiny_bundle, inferred, binary):
    names = ["exit_index", "logits"]
    wanted = [client.InferRequestedOutput(name, binary_data=binary) for name in names]
    result = triton.infer("tiny", [tensor(tiny_bundle.x[:3])], outputs=wanted, request_id="seven")
    response = result.get_response()
    assert [output["name"] for output in response["outputs"]] == names
    assert all(("data" in output) != binary for output in response["outputs"])
    assert (response["id"], response["model_name"], response["model_version"]) == ("seven", "tiny", "1")
    assert np.array_equal(result.as_numpy("exit_index"), inferred.exit_index[:3])


def test_some_outputs_binary_and_some_not(triton, tiny_bundle, inferred):
    wanted = [
        client.InferRequestedOutput("label", binary_data=False),
        client.InferRequestedOutput("logits", binary_data=True),
        client.InferRequestedOutput("exit_index", binary_data=True),
    ]
    result = triton.infer("tiny", [tensor(tiny_bundle.x[:5])], outputs=wanted)
    assert np.array_equal(result.as_numpy("label"), inferred.labels[:5])
    assert np.allclose(result.as_numpy("logits"), inferred.outputs[:5], rtol=1e-4, atol=1e-5)
    assert np.array_equal(result.as_numpy("exit_index"), inferred.exit_index[:5])


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_packed_both_ways(triton, tiny_bundle, inferred, algorithm, binary):
    result = triton.infer(
        "tiny",
        [tensor(tiny_bundle.x[:200], binary=binary)],
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    check(result, inferred, slice(200))


def test_parameters_say_where_samples_may_leave(triton, tiny_bundle):
    inputs = [tensor(tiny_bundle.x[:20])]
    first = triton.infer("tiny", inputs, parameters={"max_exit": 0}).as_numpy("exit_index")
    last = triton.infer("tiny", inputs, parameters={"min_exit": 1}).as_numpy("exit_index")
    assert first.tolist() == [0] * 20
    assert last.tolist() == [1] * 20


def test_a_deadline_that_is_long_enough(triton, tiny_bundle, inferred):
    check(triton.infer("tiny", [tensor(tiny_bundle.x[:2])], parameters={"deadline_ms": 5000.5}), inferred, slice(2))


def test_health(triton):
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("tiny")
    assert triton.is_model_ready("tiny", "1")
    assert not triton.is_model_ready("other")
    assert not triton.is_model_ready("tiny", "2")


def test_metadata(triton):
    server, model = triton.get_server_metadata(), triton.get_model_metadata("tiny", "1")
    assert server["name"] == "eerun"
    assert "binary_tensor_data" in server["extensions"]
    assert model["platform"] == "eecompile_ee"
    assert model["versions"] == ["1"]
    assert model["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 24]}]
    assert {o["name"]: (o["datatype"], o["shape"]) for o in model["outputs"]} == {
        "logits": ("FP32", [-1, 4]),
        "label": ("INT64", [-1]),
        "exit_index": ("INT32", [-1]),
        "exit_confidence": ("FP32", [-1]),
    }
    config = triton.get_model_config("tiny")
    assert (config["max_batch_size"], config["input"][0]["dims"]) == (8, [24])


def test_statistics_grow_by_what_was_sent(triton, tiny_bundle):
    (before,) = triton.get_inference_statistics("tiny")["model_stats"]
    triton.infer("tiny", [tensor(tiny_bundle.x[:9])])
    triton.infer("tiny", [tensor(tiny_bundle.x[:2])])
    (after,) = triton.get_inference_statistics()["model_stats"]
    assert after["inference_count"] - before["inference_count"] == 11
    success, earlier = after["inference_stats"]["success"], before["inference_stats"]["success"]
    assert success["count"] - earlier["count"] == 2
    assert success["ns"] > earlier["ns"]
    assert after["execution_count"] - before["execution_count"] >= 3  # 8 samples at most in a batch


def test_the_repository_extension(triton):
    assert triton.get_model_repository_index() == [{"name": "tiny", "version": "1", "state": "READY", "reason": ""}]
    triton.load_model("tiny")
    assert triton.get_model_repository_index()[0]["version"] == "1"  # the bundle is the same
    with pytest.raises(InferenceServerException, match="as long as the server runs"):
        triton.unload_model("tiny")
    with pytest.raises(InferenceServerException, match="what its bundle says"):
        triton.load_model("tiny", config="{}")
    with pytest.raises(InferenceServerException, match="no model 'other'"):
        triton.load_model("other")


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"model_name": "other"}, "404", "no model 'other'"),
        ({"model_version": "9"}, "404", "no version '9'"),
        ({"outputs": [client.InferRequestedOutput("other")]}, "400", "'other'"),
        ({"outputs": [client.InferRequestedOutput("label", class_count=2)]}, "400", "classification"),
        ({"parameters": {"max_exit": 2}}, "400", "0 (early), 1 (final)"),
        ({"parameters": {"max_exit": True}}, "400", "max_exit"),
        ({"parameters": {"deadline_ms": 0}}, "400", "deadline_ms"),
        ({"parameters": {"deadline_ms": "soon"}}, "400", "deadline_ms"),
    ],
)
def test_what_is_wrong_is_told(triton, tiny_bundle, change, status, message):
    given = {"model_name": "tiny", "inputs": [tensor(tiny_bundle.x[:1])], **change}
    with pytest.raises(InferenceServerException) as error:
        triton.infer(**given)
    assert error.value.status() == status
    assert message in error.value.message()


def test_wrong_datatypes_are_told(triton, tiny_bundle):
    wrong = tensor(tiny_bundle.x[:1].astype(np.float64), datatype="FP64")
    with pytest.raises(InferenceServerException, match="got float64, expected float32"):
        triton.infer("tiny", [wrong])
    text = tensor(np.array([["a"]], object), datatype="BYTES")
    with pytest.raises(InferenceServerException, match="BYTES"):
        triton.infer("tiny", [text])


def test_numbers_that_json_does_not_have(triton):
    huge = tensor(np.full((1, 24), 3e38, np.float32))
    with pytest.raises(InferenceServerException, match="NaN or infinity") as error:
        triton.infer("tiny", [huge], outputs=[client.InferRequestedOutput("logits", binary_data=False)])
    assert error.value.status() == "500"
    assert not np.isfinite(triton.infer("tiny", [huge]).as_numpy("logits")).all()
    assert triton.infer("tiny", [huge], outputs=[client.InferRequestedOutput("exit_index")]).as_numpy("exit_index") == 1
