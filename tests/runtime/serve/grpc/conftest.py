"""One gRPC server for the tests of this folder."""

import pytest
import tritonclient.grpc as client
from grpc_on_a_thread import grpc_on_thread

import eerun
from eerun.serve.settings import ServeSettings

OPTIONS = {"engine": "onnxruntime", "threads": 2, "reload_s": 0.0, "grpc_port": 0}
MAX_BYTES = 100_000


@pytest.fixture(scope="session")
def grpc_server(tiny_bundle):
    settings = ServeSettings(bundles=(("tiny", tiny_bundle.path),), max_request_bytes=MAX_BYTES, **OPTIONS)
    with grpc_on_thread(settings) as server:
        yield server


@pytest.fixture
def triton(grpc_server):
    with client.InferenceServerClient(grpc_server.url) as found:
        yield found


@pytest.fixture(scope="session")
def expected(tiny_bundle):
    """What `infer` answers to all samples."""
    with eerun.load(tiny_bundle.path, engine="onnxruntime", threads=2) as model:
        return model.infer(tiny_bundle.x)
