"""Clients that do right: each asks again and again on its own connection, and every answer is compared."""

import http.client
import threading
from collections import Counter
from dataclasses import dataclass
from time import perf_counter_ns
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from eerun.bench.server.connection_pool import Address
from eerun.bench.server.tensors_on_the_wire import decode_answer, encode_query
from eerun.model import Result

__all__ = ["ANSWERED", "LOST", "REFUSED", "WRONG", "Right", "SteadyClients", "right_answers"]

ANSWERED, REFUSED, WRONG, LOST = "answered", "refused", "wrong", "lost"
WAIT_S = 30.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Right:
    """What may be answered.

    Attributes:
        name: of the input.
        x: `[samples, ...]`.
        answers: for each sample the pairs of label and exit that `Model.infer` gives, by any of the bundles that may
            be served, in any batch.
    """

    name: str
    x: NDArray[Any]
    answers: tuple[frozenset[tuple[int, int]], ...]


def right_answers(name: str, x: NDArray[Any], results: list[Result]) -> Right:
    """Collect what `infer` said to all of `x`, once for each bundle or size of batch."""
    pairs = [list(zip(found.labels.tolist(), found.exit_index.tolist(), strict=True)) for found in results]
    return Right(name=name, x=x, answers=tuple(map(frozenset, zip(*pairs, strict=True))))


class SteadyClients:
    """A context manager: clients ask while it is open.

    Args:
        address: the server.
        model: name of the model there.
        right: samples and answers.
        clients: how many ask at once.
        most: samples a request, at most.
        seed: of the choice of samples.
    """

    def __init__(
        self, address: Address, model: str, right: Right, *, clients: int = 3, most: int = 4, seed: int = 0
    ) -> None:
        self._address, self._model, self._right, self._most = address, model, right, most
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._end_ns: int | None = None
        self._threads = [
            threading.Thread(target=self._work, args=(np.random.default_rng((seed, number)),), daemon=True)
            for number in range(clients)
        ]

    def __enter__(self) -> Self:
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, when the last answers are there."""
        self.stop()

    def stop(self) -> None:
        """End, when the last answers are there."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def server_ends(self) -> None:
        """From now on a connection may be refused or closed: the server was asked to stop."""
        self._end_ns = perf_counter_ns()

    @property
    def counts(self) -> dict[str, int]:
        """Requests by what became of them; requests sent after `server_ends` that were not accepted are not in it."""
        with self._lock:
            return dict(self._counts)

    @property
    def reasons(self) -> dict[str, int]:
        """Why requests were refused or lost."""
        with self._lock:
            return dict(self._reasons)

    def _work(self, random: np.random.Generator) -> None:
        connection = http.client.HTTPConnection(self._address.host, self._address.port, timeout=WAIT_S)
        try:
            while not self._stop.is_set():
                samples = random.integers(0, len(self._right.x), int(random.integers(1, self._most + 1)))
                sent_ns = perf_counter_ns()
                try:
                    came, why = self._ask(connection, samples)
                except (OSError, http.client.HTTPException) as error:
                    connection.close()
                    if self._end_ns is not None and sent_ns > self._end_ns:
                        return
                    came, why = LOST, repr(error)
                with self._lock:
                    self._counts[came] += 1
                    if why:
                        self._reasons[why] += 1
        finally:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection, samples: NDArray[np.int64]) -> tuple[str, str]:
        """One request; what became of it, and why."""
        length, body = encode_query({self._right.name: self._right.x[samples]}, ())
        headers = {"Inference-Header-Content-Length": str(length)}
        connection.request("POST", f"/v2/models/{self._model}/infer", body, headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status == 503:
            return REFUSED, str(msgspec.json.decode(content)["error"])[:200]
        if answer.status != 200:
            return WRONG, f"HTTP {answer.status}"
        found = decode_answer(content, int(answer.getheader("Inference-Header-Content-Length") or 0))
        pairs = zip(found["label"].tolist(), found["exit_index"].tolist(), strict=True)
        said = [pair in self._right.answers[sample] for pair, sample in zip(pairs, samples, strict=True)]
        right = len(said) == len(samples) and all(said)
        return (ANSWERED, "") if right else (WRONG, "another label or exit than Model.infer's")
