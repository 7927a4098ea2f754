"""What HTTP and gRPC cost a request: CPU time of the server's loop and latency at a low rate, beside a bare echo."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from eengines.tensors import Array
from eerun.bench.server.connection_pool import Address
from eerun.bench.server.eerun_server import EerunServer
from eerun.bench.server.http_json import address_of
from eerun.bench.server.load_generator import LoadGenerator
from eerun.bench.server.queries import make_queries
from eerun.bench.server.schedule import make_schedule
from eerun.bench.server.served_model import EXIT_INDEX, LABEL, served_model
from eerun.bench.server.server_counts import read_counts
from eerun.bench.statistics import Estimate, bootstrap
from eerun.serve.oip.datatypes import datatype_of

__all__ = ["transport_figure"]

ECHO = Path(__file__).with_name("echo_app.py")
NS_PER_US = 1000


def transport_figure(
    bundle: Path, inputs: dict[str, Array], flags: list[str], *, qps: float, blocks: int, seconds: float
) -> dict[str, Any]:
    """Send the same requests of one sample to `eerun serve` over HTTP and gRPC and to a bare uvicorn echo, in turns.

    Args:
        bundle: the bundle's folder.
        inputs: samples `[samples, ...]` by input name.
        flags: further flags of `eerun serve`.
        qps: requests a second, few enough that none waits for another.
        blocks: how often each takes its turn.
        seconds: of each turn.

    Returns:
        For each: microseconds of CPU of the thread of the loop a request, and the median latency; how much more than
        the echo HTTP takes, with 95 % intervals over blocks; the time in the model, which is part of the latency.
    """
    queries = make_queries(inputs, batch=1, outputs=(LABEL, EXIT_INDEX), seed=0)
    with ExitStack() as stack:
        server = stack.enter_context(EerunServer(bundle, ["--grpc-port", "0", "--reload-s", "0", *flags]))
        echo_pid, echo = stack.enter_context(_echo())
        generator = stack.enter_context(LoadGenerator(queries.bodies, connections=16, patience_s=10.0))
        model = served_model(server.address, None).name

        def over_http(address: Address) -> Callable[[int], Any]:
            def run(block: int) -> Any:
                plan = make_schedule(
                    qps, queries=round(qps * seconds), encoded=len(queries.bodies), warm_up_s=0.0, seed=0, block=block
                )
                return generator.run(address, queries.head(address, model), plan).latency_ns / NS_PER_US

            return run

        turns = {
            "echo": (echo_pid, over_http(echo)),
            "rest": (server.pid, over_http(server.address)),
            "grpc": (server.pid, stack.enter_context(_over_grpc(server, model, inputs, qps=qps, seconds=seconds))),
        }
        found = _take_turns(turns, blocks)
        counts = read_counts(server.address, model)
    assert counts is not None
    in_model_us = ((counts.queue_ms or 0.0) + (counts.compute_ms or 0.0)) * 1000
    return {"qps": qps, **found, "in_model_us": in_model_us}


def _take_turns(turns: dict[str, tuple[int, Callable[[int], Any]]], blocks: int) -> dict[str, Any]:
    cpu_us = {name: list[float]() for name in turns}
    latency_us = {name: list[float]() for name in turns}
    for block in range(blocks + 1):
        for name in sorted(turns, reverse=bool(block % 2)):
            pid, run = turns[name]
            before = _loop_ns(pid)
            latencies = run(block)
            if block:  # the first warms up
                cpu_us[name].append((_loop_ns(pid) - before) / NS_PER_US / len(latencies))
                latency_us[name].append(float(np.median(latencies)))
    measured = {"loop_cpu_us": cpu_us, "latency_us": latency_us}
    over = {
        f"{name}_over_echo_{what}": _mean(np.subtract(of[name], of["echo"]))
        for name in ("rest", "grpc")
        for what, of in measured.items()
    }
    rows = {
        name: {"loop_cpu_us": float(np.mean(cpu_us[name])), "latency_us": float(np.mean(latency_us[name]))}
        for name in turns
    }
    return {**rows, **over, "blocks": measured}


def _mean(values: Any) -> Estimate:
    return bootstrap(len(values), lambda pick: float(values[pick].mean()), seed=0)


def _loop_ns(pid: int) -> int:
    """CPU nanoseconds of the main thread of a process, which runs its loop."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0])


@contextmanager
def _echo() -> Iterator[tuple[int, Address]]:
    """Run the bare server."""
    process = subprocess.Popen([sys.executable, str(ECHO)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = address_of(process.stdout.readline().strip())
        yield process.pid, address
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _over_grpc(
    server: EerunServer, model: str, inputs: dict[str, Array], *, qps: float, seconds: float
) -> Iterator[Callable[[int], Any]]:
    """One call after the other with Triton's client, at the same rate."""
    import tritonclient.grpc as triton

    place = server.line.rpartition("gRPC ")[2].split(",")[0]
    client = triton.InferenceServerClient(place)

    def call(row: int) -> float:
        tensors = []
        for name, array in inputs.items():
            sample = array[row : row + 1]
            tensor = triton.InferInput(name, list(sample.shape), datatype_of(sample.dtype.name))
            tensor.set_data_from_numpy(sample)
            tensors.append(tensor)
        before = time.perf_counter_ns()
        client.infer(model, tensors, outputs=[triton.InferRequestedOutput(name) for name in (LABEL, EXIT_INDEX)])
        return (time.perf_counter_ns() - before) / NS_PER_US

    def run(block: int) -> Any:
        latencies, count = [], len(next(iter(inputs.values())))
        began = time.perf_counter()
        for number in range(round(qps * seconds)):
            time.sleep(max(0.0, began + number / qps - time.perf_counter()))
            latencies.append(call((block * 1000 + number) % count))
        return np.array(latencies)

    try:
        yield run
    finally:
        client.close()
