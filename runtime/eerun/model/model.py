"""A bundle that is ready to answer."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Self

from eerun.bundle import Certificate, Manifest
from eerun.costs import CostTable
from eerun.executor import Executor
from eerun.folding import Grouping
from eerun.inputs import check_views
from eerun.model.answer import let_go
from eerun.model.call import Options
from eerun.model.direct import Direct
from eerun.model.result import Result
from eerun.model.service import Service
from eerun.scheduler import OnExit, Request, Scheduler, SchedulerSettings, Snapshot
from eerun.scheduler.replies import FutureReply, LoopReply
from eerun.shadow import Metrics, Shadow

__all__ = ["Model"]


class Model:
    """A bundle that is ready to answer. Safe to call from any thread: calls take turns, on a GPU several run at once.

    Attributes:
        manifest: what the bundle holds.
        engine: name of the backend that runs it.
        precision: precision of its graphs.
        costs: measured times.
        thresholds: one for each exit but the last; None: nobody leaves there. Those that were loaded.
        certificate: what is promised of them; None: nothing. Of a folded network it is for calls that fill their
            groups.
        void: why the bundle's certificate does not hold here, also where only another configuration has one; None: it
            does, or there is none.
        grouping: which images of a call share a row, of a folded network.
        max_batch: the largest number of samples that run together.
        exits: names of the exits, shallow to deep; of the whole network without exits only `whole`.
    """

    def __init__(  # noqa: PLR0913 - a keyword for each part that it is made of
        self,
        *,
        manifest: Manifest,
        engine: str,
        precision: str,
        executor: Executor,
        costs: CostTable,
        thresholds: Sequence[float | None],
        fallbacks: Sequence[Sequence[float | None]] = (),
        certificate: Certificate | None = None,
        void: str | None = None,
        shadow: Shadow | None = None,
        grouping: Grouping = Grouping.ARRIVAL,
        exits: Sequence[str] | None = None,
        max_batch: int | None = None,
        in_flight: int = 1,
        scheduling: SchedulerSettings | None = None,
        where: str = "model",
    ) -> None:
        self.manifest = manifest
        self.engine = engine
        self.precision = precision
        self.costs = costs
        self.thresholds = tuple(thresholds)
        self.certificate = certificate
        self.void = void
        self.grouping = grouping
        self.exits = tuple(manifest.exits if exits is None else exits)
        self.max_batch = min(max_batch or executor.max_batch, executor.max_batch)
        self._executor, self._shadow = executor, shadow
        scheduling = scheduling or SchedulerSettings()
        self._service = Service(
            executor=executor,
            costs=costs,
            inputs=manifest.inputs,
            exits=self.exits,
            steps=[self.thresholds, *map(tuple, fallbacks)][: 1 + scheduling.calm_step],
            shadow=shadow,
            max_batch=self.max_batch,
            in_flight=in_flight,
            scheduling=scheduling,
            where=where,
        )
        self._direct = Direct(
            self._service, executor, shadow, exits=len(self.exits), max_batch=self.max_batch, in_flight=in_flight
        )

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one sample's logits: `(classes,)`, or `(classes, height, width)`."""
        return self._executor.output_shape

    @property
    def metrics(self) -> Metrics | None:
        """What a model that is watched has seen so far; None: it was loaded without `shadow`."""
        return None if self._shadow is None else self._shadow.metrics()

    @property
    def healthy(self) -> bool:
        """False after three runs of one segment in a row failed, until one succeeds; of `submit` and `ainfer`."""
        scheduler = self._service.scheduler
        return scheduler is None or scheduler.healthy

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self, *, drain: bool = True, timeout_s: float | None = None) -> bool:
        """Answer the calls that wait, or refuse them, and stop; later calls are refused.

        Calls of `infer` that run are waited for.

        Args:
            drain: answer what was accepted; False: refuse what has not begun to run.
            timeout_s: how long to wait for that; then what has not begun is refused, too. None: as long as it takes.

        Returns:
            Whether everything is done; False: the last runs still go on.
        """
        return self._service.close(drain=drain, timeout_s=timeout_s)

    def infer(self, x: Any, *, exits: bool = True) -> Result:
        """Answer a batch of any size; a batch larger than `max_batch` runs in several parts.

        It runs in the thread of the caller while nobody else is served. Else it shares batches with the others, as with
        `submit`, so that deadlines are kept; of a call larger than `max_batch` each part does one or the other. Where
        the queue is full, and on a device for calls larger than `max_batch`, it takes turns with the others. In
        `on_exit` and in callbacks of futures it runs at once.

        A folded network takes images as any other, and puts them into groups itself. Images of one group share every
        layer, so that an answer may depend on who else is in the batch; see docs/folding.md.

        Args:
            x: array `[batch, ...]` in the dtype and shape of the bundle's input (numpy, or anything on the host with
                DLPack), or a mapping from input name to such arrays. Where the bundle runs on a GPU also arrays on that
                GPU with `__cuda_array_interface__` or DLPack (pycuda, cupy, torch): they do not pass through the host,
                and their values are not checked.
            exits: False runs every sample to the final exit.

        Raises:
            InputError: wrong dtype, shape or range, empty, or not finite.
            EngineError: the engine failed.
            ClosedError: the model is closed, or was loaded in the parent of this process.
        """
        self._service.enter()
        try:
            arrays = check_views(x, self.manifest.inputs, self._executor.view)
            return self._direct.infer(arrays, next(iter(arrays.values())).shape[0], exits=exits)
        finally:
            self._service.leave()

    def submit(
        self,
        x: Any,
        *,
        exits: bool = True,
        min_exit: int = 0,
        max_exit: int | None = None,
        deadline_ms: float | None = None,
        on_exit: OnExit | None = None,
    ) -> "Future[Result]":
        """Queue samples; they share batches with those of other calls.

        Args:
            x: see `infer`. It must not change until the answer is there.
            exits: False runs every sample to the final exit, or to `max_exit`.
            min_exit: nobody leaves before this exit.
            max_exit: everybody leaves at this exit, whatever the score says; None: nobody is forced.
            deadline_ms: milliseconds from now after which the answer is worth nothing: samples with less time go first,
                and a call that cannot be answered in time any more is refused before it begins.
            on_exit: is told of samples when they leave, before the others are answered; where the chain does not stop
                between segments (split heads, `grouping="easy"`, a device) of all at the end of their batch.

        Returns:
            A future of the answers. It raises `EngineError` if the engine failed, `DeadlineError`, or `ClosedError`.
            Cancelled before the first of its samples runs, it is forgotten; later it cannot be cancelled.

        Raises:
            InputError: as `infer`; also more samples than may wait.
            UserError: no such exit, a deadline that is not above 0 or longer than a day, or an `on_exit` that cannot
                be called.
            OverloadError: too many samples wait already.
            ClosedError: the model is closed, or was loaded in the parent of this process.
        """
        reply = FutureReply()
        options = Options(exits, min_exit, max_exit, deadline_ms, on_exit)
        request = self._service.request(x, reply, options)
        scheduler = self._service.running()
        reply.withdraw = partial(_withdraw, scheduler, request)
        scheduler.submit(request)
        return reply

    async def ainfer(
        self,
        x: Any,
        *,
        exits: bool = True,
        min_exit: int = 0,
        max_exit: int | None = None,
        deadline_ms: float | None = None,
        on_exit: OnExit | None = None,
    ) -> Result:
        """The same for asyncio; see `submit`."""
        reply = LoopReply()
        options = Options(exits, min_exit, max_exit, deadline_ms, on_exit)
        request = self._service.request(x, reply, options)
        scheduler = self._service.running()
        scheduler.submit(request)
        try:
            result: Result = await reply.future
        except asyncio.CancelledError:
            scheduler.withdraw(request)
            raise
        return result

    def statistics(self) -> Snapshot:
        """Return what `submit` and `ainfer` have done so far, and calls of `infer` that shared batches.

        Raises:
            ClosedError: the model was loaded in the parent of this process.
        """
        return self._service.snapshot()


def _withdraw(scheduler: Scheduler, request: Request) -> None:
    """Forget a call that was cancelled, none of whose samples will run."""
    scheduler.withdraw(request)
    let_go(request)
