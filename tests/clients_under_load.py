"""Clients that ask a server all the time, and tell what they got."""

import concurrent.futures
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from raw_http import connect, infer_head, read_reply

WAIT_S = 20


@contextmanager
def under_load(server, x, results: list, *, name: str = "tiny", input_name: str = "x") -> Iterator[None]:
    """Two clients send pairs of samples, one after the other; every request must be answered.

    `results` gets `(row, version of the model, exit_index [2])` of each.
    """
    stop = threading.Event()

    def ask(first: int) -> None:
        wanted = [{"name": "exit_index"}]
        with connect(server) as sock:
            row = first
            while not stop.is_set():
                rows = np.ascontiguousarray(x[row : row + 2])
                datatype = {"float32": "FP32", "uint8": "UINT8"}[rows.dtype.name]
                given = {"name": input_name, "shape": rows.shape, "datatype": datatype, "data": rows.ravel().tolist()}
                body = json.dumps({"inputs": [given], "outputs": wanted}).encode()
                sock.sendall(infer_head(len(body), model=name) + body)
                reply = read_reply(sock)
                assert reply.status == 200, reply.error
                answer = json.loads(reply.body)
                exits = np.array(answer["outputs"][0]["data"])
                results.append((row, answer["model_version"], exits))
                row = (row + 2) % (len(x) - 2)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        running = [pool.submit(ask, first) for first in (0, len(x) // 4 * 2)]
        try:
            yield
        finally:
            stop.set()
        for client in running:
            client.result(WAIT_S)
