"""A real local Ray: two replicas, HTTP and calls, and one replica killed while it has calls."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import numpy as np
import psutil
import pytest
from local_ray import local_ray
from required import require_module

import eerun
from eengines.errors import InputError, UserError

pytestmark = pytest.mark.filterwarnings("ignore:Using extra keyword arguments on `Field`")  # Ray's own

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_DISABLE_DOCKER_CPU_WARNING": "1",
    "RAY_SERVE_LOG_TO_STDERR": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_gcs_server_port_wait_time_s": "120",
}
NAME, HOLD_S, REPLICAS, CALLERS = "tiny", 1.0, 2, 16
"""A call waits so long for others, unless they fill its batch of 8: it is surely there when its replica is killed."""
OPTIONS = {"engine": "onnxruntime", "threads": 1, "max_queue_delay_us": int(1e6 * HOLD_S)}


@pytest.fixture(scope="module")
def port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def serve(port):
    """A Ray of this test alone, and Serve in it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in QUIET.items():
            patch.setenv(name, value)
        require_module("ray", "ray is not installed: pip install 'eecompile[ray]'")
        from ray import serve

        folder = tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)
        with folder as here, local_ray(here, num_cpus=REPLICAS + 1):
            serve.start(http_options={"host": "127.0.0.1", "port": port})
            yield serve
            serve.shutdown()


@pytest.fixture(scope="module")
def handle(serve, tiny_bundle):
    from eerun.serve.ray import deployment

    application = deployment(tiny_bundle.path, name=NAME, num_replicas=REPLICAS, **OPTIONS)
    return serve.run(application, name=NAME, route_prefix="/served")


@pytest.fixture(scope="module")
def expected(tiny_bundle):
    with eerun.load(tiny_bundle.path, engine="onnxruntime", threads=2) as model:
        return model.infer(tiny_bundle.x)


def check(result, expected, rows):
    """An answer is that of `infer`, within the rounding of another batch size."""
    np.testing.assert_array_equal(result.labels, expected.labels[rows])
    np.testing.assert_array_equal(result.exit_index, expected.exit_index[rows])
    np.testing.assert_allclose(result.outputs, expected.outputs[rows], rtol=1e-5, atol=1e-5)


def post(port, path, body):
    """POST JSON; return status and answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def as_json(x):
    return {"inputs": [{"name": "x", "shape": list(x.shape), "datatype": "FP32", "data": x.ravel().tolist()}]}


def replica_pids():
    """Processes of this Ray that have the model."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            title = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if title.startswith(f"ray::ServeReplica:{NAME}:{NAME}") and "ingress" not in title:
            found.append(process.pid)
    return found


def wait_for_replicas(*, without):
    """Until Ray has replaced those that were killed."""
    end = time.monotonic() + 60
    while len(set(replica_pids()) - set(without)) < REPLICAS and time.monotonic() < end:
        time.sleep(0.2)
    assert len(set(replica_pids()) - set(without)) == REPLICAS


def test_calls_answer_as_infer_does(handle, tiny_bundle, expected):
    result = handle.infer.remote(tiny_bundle.x[:20]).result()
    check(result, expected, slice(0, 20))
    assert set(result.exit_index) == {0, 1}
    last = handle.infer.remote({"x": tiny_bundle.x[:4]}, min_exit=1).result()
    assert (last.exit_index == 1).all()


def test_a_wrong_call_raises_what_infer_raises(handle, tiny_bundle):
    with pytest.raises(InputError, match="got float64, expected float32"):
        handle.infer.remote(tiny_bundle.x[:1].astype(np.float64)).result()


def test_http_is_the_open_inference_protocol(handle, port, tiny_bundle, expected):
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", f"/served/v2/models/{NAME}")
    metadata = json.loads(connection.getresponse().read())
    connection.close()
    assert (metadata["name"], metadata["platform"]) == (NAME, "eecompile_ee")
    status, answer = post(port, f"/served/v2/models/{NAME}/infer", as_json(tiny_bundle.x[:5]))
    assert status == 200, answer
    outputs = {output["name"]: output["data"] for output in answer["outputs"]}
    assert outputs["label"] == expected.labels[:5].tolist()
    assert outputs["exit_index"] == expected.exit_index[:5].tolist()
    status, answer = post(port, f"/served/v2/models/{NAME}/infer", as_json(tiny_bundle.x[:5, :3]))
    assert status == 400
    assert "expected float32 [batch, 24]" in answer["error"]
    assert post(port, "/served/v2/models/other/infer", as_json(tiny_bundle.x[:1]))[0] == 404
    status, answer = post(port, f"/served/v2/repository/models/{NAME}/load", {})
    assert status == 400
    assert "of one replica" in answer["error"]


def test_tritonclient_speaks_to_it(handle, port, tiny_bundle, expected):
    http = require_module("tritonclient.http", "tritonclient is not installed: pip install 'eecompile[dev]'")
    client = http.InferenceServerClient(f"127.0.0.1:{port}/served")
    try:
        assert client.is_server_ready()
        given = http.InferInput("x", [6, 24], "FP32")
        given.set_data_from_numpy(tiny_bundle.x[:6])
        answer = client.infer(NAME, [given], outputs=[http.InferRequestedOutput("label", binary_data=True)])
        np.testing.assert_array_equal(answer.as_numpy("label"), expected.labels[:6])
    finally:
        client.close()


def test_a_killed_replica_costs_no_call(handle, port, tiny_bundle, expected):
    stop = threading.Event()

    def call(caller):
        done = 0
        while not stop.is_set():
            row = slice((caller + CALLERS * done) % 400, (caller + CALLERS * done) % 400 + 1)
            if caller % 2:
                check(handle.infer.remote(tiny_bundle.x[row]).result(timeout_s=60), expected, row)
            else:
                status, answer = post(port, f"/served/v2/models/{NAME}/infer", as_json(tiny_bundle.x[row]))
                assert status == 200, answer
                outputs = {output["name"]: output["data"] for output in answer["outputs"]}
                assert outputs["label"] == expected.labels[row].tolist()
            done += 1
        return done

    pids = replica_pids()
    assert len(pids) == REPLICAS
    with ThreadPoolExecutor(CALLERS) as pool:
        callers = [pool.submit(call, index) for index in range(CALLERS)]
        time.sleep(1.5)
        os.kill(pids[0], signal.SIGKILL)
        time.sleep(2)
        stop.set()
        counts = [caller.result(timeout=60) for caller in callers]
    assert min(counts) >= 2
    wait_for_replicas(without=pids[:1])


def test_calls_that_every_replica_dies_with_are_answered_by_those_that_come(serve, handle, tiny_bundle, expected):
    from ray.exceptions import ActorDiedError

    direct = serve.get_deployment_handle(NAME, NAME)
    check(direct.infer.remote(tiny_bundle.x[:8]).result(), expected, slice(0, 8))
    rows = [slice(row, row + 1) for row in range(3)]
    with_us = [handle.infer.remote(tiny_bundle.x[row]) for row in rows]
    without_us = [direct.infer.remote(tiny_bundle.x[row]) for row in rows]
    time.sleep(HOLD_S / 2)
    pids = replica_pids()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for response in without_us:
        with pytest.raises(ActorDiedError):
            response.result(timeout_s=60)
    for row, response in zip(rows, with_us, strict=True):
        check(response.result(timeout_s=60), expected, row)
    wait_for_replicas(without=pids)


def test_serve_run_builds_it_from_arguments(serve, port, tiny_bundle, expected, command_environment):
    import ray

    address = ray.get_runtime_context().gcs_address
    command = ["serve", "run", "eerun.serve.ray:app", f"bundle={tiny_bundle.path}", "name=again", "engine=onnxruntime"]
    command += ["max_queue=64", "--name", "again", "--route-prefix", "/again", "--address", address, "--non-blocking"]
    environment = {**command_environment, **QUIET}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == 0, done.stderr
    status, answer = post(port, "/again/v2/models/again/infer", as_json(tiny_bundle.x[:3]))
    assert status == 200, answer
    serve.delete("again")


def test_a_missing_ray_is_named_in_one_line(tiny_bundle):
    program = (
        "import sys\nsys.modules['ray'] = None\nimport eerun.serve.ray\n"
        "assert 'starlette' not in sys.modules\n"
        "try:\n"
        f"    eerun.serve.ray.deployment({str(tiny_bundle.path)!r})\n"
        "except Exception as error:\n    print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        f"{UserError.__name__} eerun.serve.ray: not installed: ray. Run pip install 'eecompile[ray]'."
    )
