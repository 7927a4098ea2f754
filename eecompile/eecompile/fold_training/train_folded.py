"""Train a folded network from the one before folding."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from eecompile.fold import FoldedNetwork, fold_network
from eecompile.fold_training.calib_score import CalibScore
from eecompile.fold_training.curriculum import Curriculum
from eecompile.fold_training.few_threads import few_threads
from eecompile.fold_training.fold_batches import FoldBatches
from eecompile.fold_training.fold_data import FoldData
from eecompile.fold_training.fold_epochs import FoldEpochs
from eecompile.fold_training.fold_identity import fold_identity
from eecompile.fold_training.fold_learner import FoldLearner
from eecompile.fold_training.fold_task import FoldTask
from eecompile.fold_training.reactions import reactions
from eecompile.fold_training.report import FoldedExit
from eecompile.fold_training.separate_images import SeparateImages
from eecompile.fold_training.settings import FoldTrainSettings
from eecompile.fold_training.teacher import Teacher
from eecompile.fold_training.teacher_logits import teacher_logits
from eecompile.make_network import network_words
from eecompile.stages import Stages
from eecompile.train.arithmetic import Arithmetic, choose_arithmetic
from eecompile.train.random_streams import own_torch_numbers, seed_torch
from eecompile.train.run_epochs import earlier_state, run_epochs
from eecompile.train.sample_reader import SampleReader
from eecompile.train.score import Score
from eecompile.train.settings import TrainSettings
from eecompile.train.state_file import StateFile
from eengines.errors import UserError

__all__ = ["TrainedFold", "train_folded"]


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedFold:
    """A folded network with the weights of its best epoch; the other fields are those of `FoldReport`."""

    network: FoldedNetwork
    exits: tuple[FoldedExit, ...]
    epochs: int
    epochs_planned: int
    best_epoch: int
    apart: bool
    interrupted: bool
    seconds: float
    device: str


def train_folded(
    teacher: Teacher, data: FoldData, settings: FoldTrainSettings, stages: Stages, *, state: Path, resume: bool
) -> TrainedFold:
    """Fold a network and train it.

    On Ctrl-C while epochs run, the best weights so far are returned; before that KeyboardInterrupt goes on to the
    caller.

    Args:
        teacher: the network before folding.
        data: raw samples.
        settings: how to fold and train.
        stages: where progress is shown.
        state: a file that is replaced after every epoch, so that the run can be resumed; the caller removes it.
        resume: go on from `state`; the weights become those of a run that was never interrupted.

    Raises:
        IngestError: the network cannot be folded.
        UserError: settings, samples and machine do not fit each other, or `state` is of another run.
        DataError: labels of classes that the network does not have.
        BuildError: the loss stopped being finite.
    """
    started = perf_counter()
    loop = settings.for_loop(settings.epochs_for(len(data.train)))
    arithmetic = choose_arithmetic(loop)
    readers = _readers(teacher, data, loop, arithmetic)
    curriculum = _curriculum(data, teacher, settings, loop.epochs)
    file = StateFile(state, {**fold_identity(teacher, data, settings), "device and precision": str(arithmetic)})
    content = earlier_state(file, stages) if resume else None
    with own_torch_numbers(arithmetic.device), arithmetic.repeatable(), _on_device(teacher, arithmetic):
        with stages.stage(f"fold the network by {settings.factor}"):
            network, separate = _fresh(teacher, settings, loop.epochs, arithmetic, stages)
        learner = FoldLearner(network, teacher.exits, separate, settings)
        with (
            few_threads(network, teacher.shape, settings.rows),
            teacher_logits(teacher, readers[0], settings, arithmetic, stages) as logits,
        ):
            calib = CalibScore(teacher, readers[1], settings.factor, settings.seed, settings.images)
            batches = FoldBatches(readers[0], logits, curriculum, settings)
            task = FoldTask(network, batches, calib, separate, settings, arithmetic)
            epochs = FoldEpochs(task, [learner], loop, arithmetic, stages, file)
            with stages.stage("train the folded network"):
                interrupted = run_epochs(epochs, [learner], content)
    best = learner.best
    assert best is not None  # noqa: S101 - epoch 0 is kept before the first step
    return TrainedFold(
        network=network.cpu().eval(),
        exits=_exits(calib.of_teacher(), best.scores, epochs.history),
        epochs=epochs.finished,
        epochs_planned=loop.epochs,
        best_epoch=best.epoch,
        apart=reactions(network, teacher.shape).apart,
        interrupted=interrupted,
        seconds=perf_counter() - started,
        device=str(arithmetic),
    )


def _readers(
    teacher: Teacher, data: FoldData, loop: TrainSettings, arithmetic: Arithmetic
) -> tuple[SampleReader, SampleReader]:
    """Of the training and of the *calib* images."""
    inputs, output = teacher.checkpoint.inputs, (teacher.classes,)
    train, calib = (SampleReader(inputs, part, output, loop, arithmetic.device) for part in (data.train, data.calib))
    return train, calib


def _fresh(
    teacher: Teacher, settings: FoldTrainSettings, epochs: int, arithmetic: Arithmetic, stages: Stages
) -> tuple[FoldedNetwork, SeparateImages]:
    """The folded network with its first weights, where it trains."""
    seed_torch(arithmetic.device, settings.seed, "folded weights")
    where = network_words(teacher.checkpoint.arch, settings.factory)
    network = fold_network(teacher.network, settings.spec, teacher.shape, where=where).requires_grad_(True)
    network.to(arithmetic.device)
    wanted = settings.epochs_apart(epochs)
    separate = SeparateImages(network, teacher.shape, wanted)
    if separate.epochs < wanted:
        stages.warn(
            "the images of a row cannot be kept apart in this network: it starts from random weights, as with "
            "--separate 0, and may need more epochs"
        )
    return network, separate


def _curriculum(data: FoldData, teacher: Teacher, settings: FoldTrainSettings, epochs: int) -> Curriculum | None:
    if not settings.curriculum:
        return None
    labels = data.train.labels
    if labels is None:
        raise UserError("--curriculum", "got samples without labels, expected labels", "Add y_train, or leave it out")
    return Curriculum(labels, teacher.classes, settings.factor, epochs, settings.curriculum_epochs)


def _exits(
    before: Mapping[str, Score], after: Mapping[str, Score], losses: Mapping[str, list[float]]
) -> tuple[FoldedExit, ...]:
    return tuple(
        FoldedExit(
            name=name,
            accuracy_unfolded=score.accuracy,
            accuracy=after[name].accuracy,
            agreement=after[name].agreement,
            losses=tuple(losses[name]),
        )
        for name, score in before.items()
    )


@contextmanager
def _on_device(teacher: Teacher, arithmetic: Arithmetic) -> Iterator[None]:
    """While the context lasts, the teacher is where the folded network trains."""
    teacher.network.to(arithmetic.device)
    try:
        yield
    finally:
        teacher.network.cpu()
