"""`eerun.load` and the model it returns: what services embed."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eengines.device import Device
from eengines.threads import threads_or_default
from eerun.bundle import Manifest, open_bundle
from eerun.choose_configuration import AUTO, choose_configuration
from eerun.costs import CostTable
from eerun.device_settings import DeviceSettings
from eerun.executor import Answers, Executor, Step
from eerun.inputs import check_views

__all__ = ["Model", "Result", "load"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """Answers of one call, one row a sample, in the order of the input.

    Attributes:
        outputs: `[batch, classes] float32` logits of the exit where the sample left; of a network with one answer a
            pixel `[batch, classes, height, width]`.
        labels: `[batch] int64` class with the largest logit, or `[batch, height, width]`.
        exit_index: `[batch] int32` exit where the sample left, 0 = first.
        confidence: `[batch] float32` the policy's score at that exit (for the default policy the probability of
            the answered class).
        steps: for each batch that ran, what each segment did.
    """

    outputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    exit_index: NDArray[np.int32]
    confidence: NDArray[np.float32]
    steps: tuple[tuple[Step, ...], ...]


class Model:
    """A bundle that is ready to answer. Safe to call from any thread: calls take turns, on a GPU several run at once.

    Attributes:
        manifest: what the bundle holds.
        engine: name of the backend that runs it.
        precision: precision of its graphs.
        costs: measured times.
        thresholds: one for each exit but the last; None: nobody leaves there.
    """

    def __init__(
        self,
        *,
        manifest: Manifest,
        engine: str,
        precision: str,
        executor: Executor,
        costs: CostTable,
        thresholds: Sequence[float | None],
    ) -> None:
        self.manifest = manifest
        self.engine = engine
        self.precision = precision
        self.costs = costs
        self.thresholds = tuple(thresholds)
        self._executor = executor

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one sample's logits: `(classes,)`, or `(classes, height, width)`."""
        return self._executor.output_shape

    def infer(self, x: Any, *, exits: bool = True) -> Result:
        """Answer a batch of any size; a batch larger than the largest bucket runs in several parts.

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
        answers = Answers(
            outputs=np.empty((count, *self._executor.output_shape), np.float32),
            exit_index=np.empty(count, np.int32),
            confidence=np.empty(count, np.float32),
        )
        steps = self._executor.infer(arrays, self.thresholds if exits else (None,) * len(self.thresholds), answers)
        return Result(
            outputs=answers.outputs,
            labels=answers.outputs.argmax(axis=1),
            exit_index=answers.exit_index,
            confidence=answers.confidence,
            steps=steps,
        )


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

    Raises:
        BundleError: the bundle is damaged or of an unknown version.
        EngineError: no engine library is installed, or it refuses a segment.
        UserError: an unknown engine or precision, one that the bundle does not have, or fewer than one thread.
    """
    bundle = open_bundle(Path(path))
    settings = DeviceSettings(device=device, in_flight=in_flight, device_exits=device_exits, trust_plans=trust_plans)
    way = choose_configuration(bundle, engine=engine, precision=precision, device=settings)
    if threads is not None:
        threads_or_default(threads)
    return Model(
        manifest=bundle.manifest,
        engine=way.engine,
        precision=way.entry.precision,
        executor=way.open_chain(threads=threads),
        costs=way.costs(),
        thresholds=way.policy().thresholds,
    )
