"""The queries of a load test, encoded before it begins: making one must not take time while it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eengines.tensors import Array
from eerun.bench.server.connection_pool import Address
from eerun.bench.server.tensors_on_the_wire import encode_query, request_head

__all__ = ["Queries", "make_queries"]

MOST_QUERIES = 1024
MOST_BYTES = 256 * 2**20
"""Different queries that are kept, LoadGen's performance sample count."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Queries:
    """Encoded queries, all of the same length.

    Attributes:
        bodies: one for each.
        header_length: length of the JSON part of each.
        samples: `[queries, batch] intp`, which samples each holds.
    """

    bodies: tuple[bytes, ...]
    header_length: int
    samples: NDArray[np.intp]

    def head(self, address: Address, model: str) -> bytes:
        """Request line and headers of all of them, for one server and model."""
        return request_head(
            host=address.host,
            port=address.port,
            model=model,
            header_length=self.header_length,
            body_length=len(self.bodies[0]),
        )


def make_queries(inputs: Mapping[str, Array], *, batch: int, outputs: Sequence[str], seed: int) -> Queries:
    """Put samples into queries in a random order, each in one of them while there are enough.

    Args:
        inputs: arrays `[samples, ...]` by input name.
        batch: samples a query.
        outputs: which outputs are wanted; none: all.
        seed: seed of the order.
    """
    count = len(next(iter(inputs.values())))
    bytes_each = batch * sum(array[:1].nbytes for array in inputs.values())
    number = max(1, min(count // batch, MOST_QUERIES, MOST_BYTES // max(bytes_each, 1)))
    order = np.random.default_rng((seed, count)).permutation(count)
    samples = np.resize(order, (number, batch))
    encoded = [encode_query({name: array[row] for name, array in inputs.items()}, outputs) for row in samples]
    return Queries(bodies=tuple(body for _, body in encoded), header_length=encoded[0][0], samples=samples)
