"""`eerun.load` and the model it returns: what services embed."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eengines.device import Device
from eengines.errors import UserError
from eengines.threads import threads_or_default
from eerun.bundle import Certificate, Manifest, open_bundle
from eerun.choose_configuration import AUTO, choose_configuration
from eerun.circumstances import void_here
from eerun.configuration import Configuration
from eerun.costs import CostTable
from eerun.device_settings import DeviceSettings
from eerun.executor import Answers, Executor, Step
from eerun.folding import Grouping
from eerun.inputs import check_views
from eerun.open_grouped import open_grouped, parse_grouping, weakness_of
from eerun.shadow import Metrics, Shadow, ShadowSettings, Turn, open_shadow

__all__ = ["Model", "Result", "load"]

NOBODY: NDArray[np.intp] = np.zeros(0, np.intp)
NOBODY.flags.writeable = False

_log = logging.getLogger("eerun")


@dataclass(frozen=True, kw_only=True)
class Result:
    """Answers of one call, one row a sample, in the order of the input; samples of a folded network are images.

    Attributes:
        outputs: `[batch, classes] float32` logits of the exit where the sample left; of a network with one answer a
            pixel `[batch, classes, height, width]`.
        labels: `[batch] int64` class with the largest logit, or `[batch, height, width]`.
        exit_index: `[batch] int32` exit where the sample left, 0 = first; of a folded network the exit that answers
            the image, whose group may have gone on.
        confidence: `[batch] float32` the policy's score at that exit (for the default policy the probability of
            the answered class). An image of a folded network that is answered because its group leaves has the score
            that it has there, which may be below the threshold.
        steps: for each batch that ran, what each segment did.
        step: which thresholds of a watched model answered, see `Metrics.step`; 0: those that were loaded.
        shadowed: `[rows] intp`, the rows that were watched; they also ran to the final exit.
    """

    outputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    exit_index: NDArray[np.int32]
    confidence: NDArray[np.float32]
    steps: tuple[tuple[Step, ...], ...]
    step: int = 0
    shadowed: NDArray[np.intp] = field(default_factory=lambda: NOBODY)


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
        certificate: Certificate | None = None,
        void: str | None = None,
        shadow: Shadow | None = None,
        grouping: Grouping = Grouping.ARRIVAL,
    ) -> None:
        self.manifest = manifest
        self.engine = engine
        self.precision = precision
        self.costs = costs
        self.thresholds = tuple(thresholds)
        self.certificate = certificate
        self.void = void
        self.grouping = grouping
        self._executor = executor
        self._shadow = shadow

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one sample's logits: `(classes,)`, or `(classes, height, width)`."""
        return self._executor.output_shape

    @property
    def metrics(self) -> Metrics | None:
        """What a model that is watched has seen so far; None: it was loaded without `shadow`."""
        return None if self._shadow is None else self._shadow.metrics()

    def infer(self, x: Any, *, exits: bool = True) -> Result:
        """Answer a batch of any size; a batch larger than the largest bucket runs in several parts.

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
        """
        arrays = check_views(x, self.manifest.inputs, self._executor.view)
        count = next(iter(arrays.values())).shape[0]
        turn = self._shadow.start(count, self._executor.output_shape) if exits and self._shadow is not None else None
        answers = Answers(
            outputs=np.empty((count, *self._executor.output_shape), np.float32),
            exit_index=np.empty(count, np.int32),
            confidence=np.empty(count, np.float32),
            shadow=None if turn is None else turn.watched,
        )
        steps = self._executor.infer(arrays, self._thresholds(turn, exits=exits), answers)
        shadowed = NOBODY if turn is None or self._shadow is None else self._shadow.finish(turn, answers)
        return Result(
            outputs=answers.outputs,
            labels=answers.outputs.argmax(axis=1),
            exit_index=answers.exit_index,
            confidence=answers.confidence,
            steps=steps,
            step=0 if turn is None else turn.step,
            shadowed=shadowed,
        )

    def _thresholds(self, turn: Turn | None, *, exits: bool) -> Sequence[float | None]:
        """Those of a call."""
        if turn is not None:
            return turn.thresholds
        return self.thresholds if exits else (None,) * len(self.thresholds)


def load(  # noqa: PLR0913 - the one call that services write: a keyword for each choice
    path: str | os.PathLike[str],
    *,
    engine: str = AUTO,
    precision: str = AUTO,
    threads: int | None = None,
    device: int | Device = 0,
    in_flight: int = 2,
    device_exits: bool = False,
    trust_plans: bool = False,
    grouping: str = Grouping.ARRIVAL.value,
    shadow: float | None = None,
    shadow_seed: int = 0,
    shadow_limit: float | None = None,
    shadow_confidence: float | None = None,
) -> Model:
    """Open a bundle, check its files, and make it ready to answer.

    Args:
        path: the bundle's folder, such as `model.ee`.
        engine: name of a backend, or `auto` for the fastest that the build measured and that can be used here. Where
            that is not the one that the build chose, logger `eerun` says so.
        precision: `float32`, `float16`, `bfloat16`, `int8`, or `auto` for the one of the fastest engine.
        threads: how many threads the engines of this process share; None: as many as they have already, or one a core.
        device: number of the GPU, where the bundle runs on one; or a device of `eengines.devices`: engines of the host
            then run in the device executor on a `CpuDevice`.
        in_flight: on a device, how many batches run at once.
        device_exits: on a device, let it go from exit to exit without the host (experimental).
        trust_plans: take engine plans in the bundle that another user or machine built, which can run code; else they
            are built again here.
        grouping: which images of a call share a row of a folded network: `arrival`, neighbours as they are given, or
            `easy`, likely-easy ones together, so that groups leave together.
        shadow: probability with which a sample (of a folded network a group) that leaves early also runs to the final
            exit, on the CPU only: where the two answers differ too often, logger `eerun` warns and the model falls back
            to slower thresholds, at last to no exits. None: nobody is watched. See docs/certificates.md.
        shadow_seed: of the choice of these samples.
        shadow_limit: how often the answers may differ; None: as the certificate says.
        shadow_confidence: 1 - the probability of a false alarm; None: that of the certificate.

    Raises:
        BundleError: the bundle is damaged or of an unknown version.
        EngineError: no engine library is installed, it refuses a segment, or `shadow` is given and it runs on a device.
        UserError: an unknown engine, precision or grouping, one that the bundle does not have, fewer than one thread,
            or a `shadow` without a certificate or a limit.
    """
    groups = parse_grouping(grouping)
    bundle = open_bundle(Path(path))
    settings = DeviceSettings(device=device, in_flight=in_flight, device_exits=device_exits, trust_plans=trust_plans)
    way = choose_configuration(bundle, engine=engine, precision=precision, device=settings)
    if shadow is None and (shadow_limit is not None or shadow_confidence is not None):
        raise UserError("shadow", "got a limit or a confidence, but no share of samples", "Give shadow, such as 0.01")
    watched = None
    if shadow is not None:
        watched = ShadowSettings(share=shadow, seed=shadow_seed, limit=shadow_limit, confidence=shadow_confidence)
    return _open(way, threads, watched, groups)


def _open(way: Configuration, threads: int | None, watched: ShadowSettings | None, grouping: Grouping) -> Model:
    """Make a configuration ready to answer; say where the bundle's certificate does not hold."""
    if threads is not None:
        threads_or_default(threads)
    policy = way.policy()
    shadow = None if watched is None else open_shadow(way, policy, watched)
    weak = weakness_of(way.bundle, grouping)
    if weak is not None:
        _log.warning("%s: %s", way.bundle.path, weak)
    void = void_here(way, policy, grouping)
    if void is not None:
        _log.warning("%s: running %s, the certificate does not hold here: %s", way.bundle.path, way.words, void)
    return Model(
        manifest=way.bundle.manifest,
        engine=way.engine,
        precision=way.entry.precision,
        executor=open_grouped(way, grouping, threads=threads),
        costs=way.costs(),
        thresholds=policy.thresholds,
        certificate=policy.certificate,
        void=void,
        shadow=shadow,
        grouping=grouping,
    )
