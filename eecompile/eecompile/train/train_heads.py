"""Train the heads of an attached network."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from eecompile.attach.attached import Attached
from eecompile.input_info import InputInfo
from eecompile.stages import Stages
from eecompile.train.arithmetic import Arithmetic, choose_arithmetic
from eecompile.train.epochs import Epochs
from eecompile.train.frozen_features import frozen_features
from eecompile.train.frozen_task import FrozenTask
from eecompile.train.head_losses import HeadLosses
from eecompile.train.hold_out import hold_out
from eecompile.train.joint_task import JointTask
from eecompile.train.learners import make_learners
from eecompile.train.make_report import final_accuracy, head_reports
from eecompile.train.random_streams import own_torch_numbers, seed_torch
from eecompile.train.report import TrainReport
from eecompile.train.run_epochs import earlier_state, run_epochs
from eecompile.train.run_identity import run_identity
from eecompile.train.sample_reader import SampleReader
from eecompile.train.settings import TrainSettings
from eecompile.train.state_file import StateFile
from eecompile.train.task import Index, Task
from eerun.data import Samples

__all__ = ["train_heads"]


def train_heads(
    attached: Attached,
    inputs: Sequence[InputInfo],
    samples: Samples,
    settings: TrainSettings,
    stages: Stages,
    *,
    state: Path | None = None,
    resume: bool = False,
) -> TrainReport:
    """Train heads, and in joint mode the trunk; `attached` then holds the best weights, in evaluation mode.

    On Ctrl-C while epochs run, the best weights so far are put in place and the report says so; while features are
    computed, KeyboardInterrupt goes on to the caller and nothing has changed.

    Args:
        attached: a trunk with candidate heads, in float32; changed in place.
        inputs: how raw samples become what the network sees, in the order of its inputs.
        samples: the *train* split, raw. A seeded share of it is held out to choose the best epoch.
        settings: how to train.
        stages: where progress is shown.
        state: a file that is replaced after every epoch, so that the run can be resumed; the caller removes it when
            it has stored the result. None: no file.
        resume: go on from `state`; the weights become those of a run that was never interrupted. Where there is no
            such file yet, the run starts from the beginning.

    Raises:
        UserError: settings, samples and machine do not fit each other, or `state` is of another run.
        DataError: samples that the network cannot take, or too few.
        BuildError: a head without weights, or no head has a finite loss.
    """
    started = perf_counter()
    arithmetic = choose_arithmetic(settings)
    reader = SampleReader(inputs, samples, attached.attachment.output, settings, arithmetic.device)
    parts = hold_out(len(reader), settings.validation, settings.seed)
    file = None if state is None else StateFile(state, run_identity(attached, inputs, samples, settings, arithmetic))
    content = earlier_state(file, stages) if resume else None
    with (
        _on_device(attached, arithmetic),
        own_torch_numbers(arithmetic.device),
        arithmetic.repeatable(),
        _task(attached, reader, parts, settings, arithmetic, stages) as task,
    ):
        features_seconds = perf_counter() - started
        learners = make_learners(attached, settings)
        epochs = Epochs(task, learners, settings, arithmetic, stages, file)
        with stages.stage("train heads"):
            interrupted = run_epochs(epochs, learners, content)
    return TrainReport(
        heads=head_reports([head.name for head in attached.attachment.heads], learners, epochs),
        accuracy_final=final_accuracy(learners),
        samples=len(parts[0]),
        validation_samples=len(parts[1]),
        epochs=epochs.finished,
        interrupted=interrupted,
        seconds=perf_counter() - started,
        features_seconds=features_seconds if settings.mode == "frozen" else 0.0,
        device=str(arithmetic),
    )


@contextmanager
def _on_device(attached: Attached, arithmetic: Arithmetic) -> Iterator[None]:
    """While the context lasts, the network is where it trains; afterwards it is where it was, in evaluation mode."""
    home = next(attached.parameters()).device
    attached.to(arithmetic.device)
    try:
        yield
    finally:
        attached.to(home).eval()


@contextmanager
def _task(
    attached: Attached,
    reader: SampleReader,
    parts: tuple[Index, Index],
    settings: TrainSettings,
    arithmetic: Arithmetic,
    stages: Stages,
) -> Iterator[Task]:
    seed_torch(arithmetic.device, settings.seed, "features")
    if settings.mode == "joint":
        yield JointTask(attached, reader, *parts, settings, arithmetic)
        return
    equal = [1.0] * len(attached.heads)
    losses = HeadLosses(attached, settings, equal, ignored=reader.ignored)
    with frozen_features(attached, reader, parts, settings, arithmetic, stages) as found:
        yield FrozenTask(
            attached,
            found.training,
            found.held,
            losses,
            arithmetic,
            batch=settings.batch,
            ignored=reader.ignored,
        )
