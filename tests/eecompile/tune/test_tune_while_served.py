"""`eecompile tune` on a bundle that a server answers from: the new one takes over, and nobody is lost."""

import time

import numpy as np
from clients_under_load import under_load
from served_on_a_thread import served_on_thread
from silent_stages import SilentStages

import eerun
from eerun.serve.settings import ServeSettings


def exits_of(path, x):
    with eerun.load(path, engine="onnxruntime", precision="float32", threads=2) as model:
        return model.infer(x).exit_index


def wait_for(holds):
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_tuned_bundle_takes_over(copied):
    x, results = copied.arrays["x_test"][:100], []
    (entry,) = copied.bundle.manifest.inputs
    exits = {"1": exits_of(copied.path, x)}
    settings = ServeSettings(
        bundles=(("net", copied.path),),
        port=0,
        grpc_port=None,
        engine="onnxruntime",
        precision="float32",
        threads=2,
        reload_s=0.05,
    )
    with served_on_thread(settings) as server:
        with under_load(server, x, results, name="net", input_name=entry.name):
            wait_for(lambda: results)
            copied.tune(SilentStages(), "entropy", max_drop=0.1)
            wait_for(lambda: results[-1][1] == "2")
            count = len(results)
            wait_for(lambda: len(results) > count + 20)
        state = server.repository.reload_state("net")
    assert (state.reloads, state.reload_failures) == (1, 0)
    exits["2"] = exits_of(copied.path, x)
    assert not np.array_equal(exits["1"], exits["2"])
    wrong = sum(not np.array_equal(found, exits[version][row : row + 2]) for row, version, found in results)
    assert wrong == 0, f"{wrong} of {len(results)}"
