"""Both transports of one server say the same, as tritonclient's two clients hear it."""

import grpc
import pytest
import tritonclient.grpc
import tritonclient.grpc.service_pb2 as published
import tritonclient.http
from both_transports import both_on_thread, refusals
from google.protobuf.json_format import ParseDict
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import InferenceServerException

from eerun.serve.settings import ServeSettings


def settings(path, **more):
    options = {"engine": "onnxruntime", "threads": 2, "reload_s": 0.0, "port": 0, "grpc_port": 0}
    return ServeSettings(bundles=(("tiny", path), ("again", path)), **options, **more)


@pytest.fixture(scope="module")
def both(tiny_bundle):
    with both_on_thread(settings(tiny_bundle.path)) as found:
        yield found


def asked(client, x):
    given = client.InferInput("x", list(x.shape), "FP32")
    given.set_data_from_numpy(x)
    return [given]


def test_configurations_are_the_same_field_by_field(both):
    over_http = both.http.get_model_config("tiny")
    over_grpc = both.grpc.get_model_config("tiny").config
    assert ParseDict(over_http, model_config_pb2.ModelConfig()) == over_grpc
    assert (over_grpc.name, over_grpc.platform, over_grpc.backend) == ("tiny", "eecompile_ee", "eerun")
    assert over_grpc.max_batch_size == 8
    assert over_grpc.WhichOneof("scheduling_choice") == "dynamic_batching"
    label = over_grpc.output[1]
    assert (label.name, list(label.dims), label.HasField("reshape"), list(label.reshape.shape)) == (
        "label",
        [1],
        True,
        [],
    )
    assert not over_grpc.input[0].HasField("reshape")


@pytest.mark.parametrize("name", ["tiny", ""], ids=["one model", "all"])
def test_statistics_are_the_same_field_by_field(both, tiny_bundle, name):
    both.http.infer("tiny", asked(tritonclient.http, tiny_bundle.x[:5]))
    both.grpc.infer("tiny", asked(tritonclient.grpc, tiny_bundle.x[:3]))
    for side, client in ((both.http, tritonclient.http), (both.grpc, tritonclient.grpc)):
        wrong = asked(client, tiny_bundle.x[:1, :7].copy())
        with pytest.raises(InferenceServerException, match="expected"):
            side.infer("tiny", wrong)
    over_http = both.http.get_inference_statistics(name)
    over_grpc = both.grpc.get_inference_statistics(name)
    assert ParseDict(over_http, published.ModelStatisticsResponse()) == over_grpc
    assert [each.name for each in over_grpc.model_stats] == ([name] if name else ["tiny", "again"])
    parts = over_grpc.model_stats[0].inference_stats
    assert parts.HasField("cache_hit")
    assert parts.success.count == parts.compute_infer.count >= 2


def test_metadata_are_the_same_field_by_field(both):
    server = ParseDict(both.http.get_server_metadata(), published.ServerMetadataResponse())
    assert server == both.grpc.get_server_metadata()
    model = ParseDict(both.http.get_model_metadata("tiny"), published.ModelMetadataResponse())
    assert model == both.grpc.get_model_metadata("tiny")


def test_indices_are_the_same_field_by_field(both):
    over_grpc = both.grpc.get_model_repository_index()
    models = {"models": both.http.get_model_repository_index()}
    assert ParseDict(models, published.RepositoryIndexResponse()) == over_grpc
    assert [each.name for each in over_grpc.models] == ["tiny", "again"]


@pytest.mark.parametrize(
    ("ask", "code", "words"),
    [
        (lambda client: client.unload_model("tiny"), "INVALID_ARGUMENT", "as long as the server runs"),
        (lambda client: client.unload_model("tiny", unload_dependents=True), "INVALID_ARGUMENT", "the server runs"),
        (lambda client: client.unload_model("other"), "NOT_FOUND", "no model 'other'"),
        (lambda client: client.load_model("other"), "NOT_FOUND", "no model 'other'"),
        (lambda client: client.load_model("tiny", config="{}"), "INVALID_ARGUMENT", "got 'config'"),
        (
            lambda client: client.load_model("tiny", config="{}", files={"file:1/a": b"1"}),
            "INVALID_ARGUMENT",
            "got 'config'",
        ),
        (lambda client: client.get_model_config("other"), "NOT_FOUND", "no model 'other'"),
        (lambda client: client.get_model_config("tiny", "7"), "NOT_FOUND", "no version '7'"),
        (lambda client: client.get_inference_statistics("tiny", "7"), "NOT_FOUND", "no version '7'"),
        (lambda client: client.get_model_metadata("other"), "NOT_FOUND", "no model 'other'"),
    ],
)
def test_refusals_are_the_same_word_for_word(both, ask, code, words):
    over_http, over_grpc = refusals(both, ask)
    assert over_http.message() == over_grpc.message()
    assert words in over_grpc.message()
    assert over_grpc.status() == f"StatusCode.{code}"
    assert over_http.status() == {"INVALID_ARGUMENT": "400", "NOT_FOUND": "404"}[code]


def test_a_load_that_changes_nothing_is_answered(both):
    both.http.load_model("tiny")
    both.grpc.load_model("tiny")
    assert [each.version for each in both.grpc.get_model_repository_index().models] == ["1", "1"]


def test_loads_that_are_turned_off_are_refused(tiny_bundle):
    with both_on_thread(settings(tiny_bundle.path, load_over_network=False)) as own:
        over_http, over_grpc = refusals(own, lambda client: client.load_model("tiny"))
    assert over_http.message() == over_grpc.message()
    assert "loads nothing over the network" in over_grpc.message()
    assert over_grpc.status() == "StatusCode.INVALID_ARGUMENT"


@pytest.mark.parametrize("method", ["RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload"])
def test_there_are_no_repositories_with_names(both, method):
    request = getattr(published, f"{method}Request")(repository_name="mine")
    with pytest.raises(grpc.RpcError, match="no repository that has a name") as caught:
        getattr(both.stub, method)(request)
    assert caught.value.code().name == "INVALID_ARGUMENT"
