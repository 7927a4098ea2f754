"""A server that is driven, and what it has done in the blocks that count."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from eengines.errors import UserError
from eengines.tensors import Array
from eerun.bench.server.connection_pool import Address
from eerun.bench.server.eerun_server import EerunServer
from eerun.bench.server.expected import Checked, Expected, check_answers
from eerun.bench.server.load_generator import LoadGenerator
from eerun.bench.server.load_result import LoadSummary
from eerun.bench.server.queries import Queries
from eerun.bench.server.recorded import Recorded
from eerun.bench.server.schedule import Schedule
from eerun.bench.server.server_counts import ServerCounts, read_counts
from eerun.bench.server.settings import LoadSettings
from eerun.bench.server.summarise_load import Seen, summarise_load
from eerun.bench.server.tensors_on_the_wire import decode_answer

__all__ = ["Target"]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Block:
    """A block, with what the server counted in it and the CPU seconds that it used."""

    recorded: Recorded
    counts: ServerCounts | None
    cpu_s: float | None


class Target:
    """One server under load.

    Args:
        words: what it is.
        address: where it listens.
        model: name of the model there.
        process: the server where it was started here; None: it runs already.
        expected: what it should answer; None: nobody looks.
    """

    def __init__(
        self, words: str, address: Address, model: str, *, process: EerunServer | None, expected: Expected | None
    ) -> None:
        self._words, self._address, self._model = words, address, model
        self._process, self._expected = process, expected
        self._blocks: list[_Block] = []

    def forget(self) -> None:
        """Drop the blocks so far."""
        self._blocks.clear()

    def drive(self, generator: LoadGenerator, queries: Queries, schedule: Schedule) -> Recorded:
        """Run one block.

        Raises:
            EngineError: the server or the load generator is gone.
        """
        before, cpu_s = read_counts(self._address, self._model), self._cpu_s()
        recorded = generator.run(self._address, queries.head(self._address, self._model), schedule)
        used_s = None if cpu_s is None else (self._cpu_s() or 0.0) - cpu_s
        after = read_counts(self._address, self._model)
        counts = None if before is None or after is None else after - before
        self._blocks.append(_Block(recorded=recorded, counts=counts, cpu_s=used_s))
        return recorded

    def summarise(self, queries: Queries, settings: LoadSettings, *, qps: float) -> LoadSummary:
        """Summarise the blocks since the last `forget`."""
        blocks = self._blocks
        counts = [block.counts for block in blocks if block.counts is not None]
        times = [block.cpu_s for block in blocks if block.cpu_s is not None]
        seen = Seen(
            server=self._words,
            model=self._model,
            qps=qps,
            counts=sum(counts[1:], counts[0]) if counts else None,
            server_cpu_s=sum(times) if times else None,
            checked=None if self._expected is None else self._check(queries, self._expected),
        )
        return summarise_load(seen, [block.recorded for block in blocks], settings)

    def _cpu_s(self) -> float | None:
        return None if self._process is None else self._process.cpu_s()

    def _check(self, queries: Queries, expected: Expected) -> Checked:
        """Compare every answer of every block."""
        checked = Checked()
        for block in self._blocks:
            recorded = block.recorded
            answered = np.flatnonzero(recorded.answered)
            answers = _decode(recorded, answered.tolist())
            checked += check_answers(answers, queries.samples[recorded.query[answered]], expected)
        return checked


def _decode(recorded: Recorded, which: Sequence[int]) -> list[dict[str, Array] | None]:
    """Outputs of answers; None: it cannot be read."""
    answers: list[dict[str, Array] | None] = []
    for place in which:
        try:
            answers.append(decode_answer(recorded.bodies[place], int(recorded.header_lengths[place])))
        except (ValueError, msgspec.DecodeError, UserError):
            answers.append(None)
    return answers
