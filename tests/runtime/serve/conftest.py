"""One server of the whole interface for the tests of this folder."""

import pytest
from served_on_a_thread import served_on_thread

import eerun
from eerun.serve.settings import ServeSettings

MAX_BYTES = 200_000
TIMEOUT_S = 0.5


@pytest.fixture(scope="session")
def server(tiny_bundle):
    """`tiny.ee` over HTTP, with small limits."""
    settings = ServeSettings(
        bundles=(("tiny", tiny_bundle.path),),
        port=0,
        grpc_port=None,
        engine="onnxruntime",
        threads=2,
        reload_s=0.0,
        max_request_bytes=MAX_BYTES,
        request_timeout_s=TIMEOUT_S,
        keep_alive_s=30.0,
        max_connections=40,
    )
    with served_on_thread(settings) as found:
        yield found


@pytest.fixture(scope="session")
def inferred(tiny_bundle):
    """What `infer` answers to all samples."""
    with eerun.load(tiny_bundle.path, engine="onnxruntime", threads=2) as model:
        return model.infer(tiny_bundle.x)
