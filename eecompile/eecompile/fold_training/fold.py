"""From a network to a folded one: fold it, train it, write a checkpoint."""

import shlex
from pathlib import Path

from eecompile.checkpoint import save_checkpoint
from eecompile.fold_training.as_checkpoint import as_checkpoint
from eecompile.fold_training.fold_data import fold_data
from eecompile.fold_training.report import FoldReport
from eecompile.fold_training.settings import FoldTrainSettings
from eecompile.fold_training.teacher import load_teacher
from eecompile.fold_training.train_folded import train_folded
from eecompile.stages import Stages
from eengines.errors import UserError
from eerun.cli.output_file import check_writable
from eerun.data import default_data_path

__all__ = ["fold"]


def fold(model: Path, output: Path, settings: FoldTrainSettings, stages: Stages, *, resume: bool) -> FoldReport:
    """Fold a network, train it, and write a checkpoint that `eecompile build` takes.

    While it trains, the state of the training is beside the checkpoint, for `resume`; it is removed when the training
    has ended by itself.

    Args:
        model: a checkpoint that is not folded; left as it is.
        output: the checkpoint to write.
        settings: how to fold and train.
        stages: where progress is shown.
        resume: go on with a training that was interrupted.

    Raises:
        UserError: settings do not fit the network or the data.
        IngestError: the network cannot be loaded or folded.
        DataError: there are no samples to train on.
        BuildError: the loss stopped being finite.
        KeyboardInterrupt: Ctrl-C before the first epoch ended; nothing is written.
    """
    _refuse_own_sources(model, output, settings)
    check_writable(output, flag="--output")
    state = output.with_name(f"{output.name}.training")
    _refuse_to_lose(output, state, resume=resume)
    with stages.stage("load the network and the training samples"):
        teacher = load_teacher(model, settings.factory)
        data = fold_data(model, settings, teacher.checkpoint.inputs)
    trained = train_folded(teacher, data, settings, stages, state=state, resume=resume)
    if trained.epochs == 0:
        kept = f"{output} is left as it was" if output.exists() else f"{output} is not written"
        stages.warn(f"interrupted before the first epoch ended: {kept}")
        raise KeyboardInterrupt
    save_checkpoint(output, as_checkpoint(teacher, trained, settings))
    if trained.interrupted:
        stages.warn(f"interrupted after {trained.epochs} epochs: the best weights so far are written; --resume goes on")
    else:
        state.unlink(missing_ok=True)
    return FoldReport(
        model=str(model),
        output=str(output),
        fold=settings.factor,
        fold_widths=settings.widths,
        exits=trained.exits,
        parameters=sum(weight.numel() for weight in trained.network.parameters()),
        parameters_unfolded=sum(weight.numel() for weight in teacher.network.parameters()),
        samples=len(data.train),
        calib_samples=len(data.calib),
        calib_from_train=data.cut_from_train,
        epochs=trained.epochs,
        epochs_planned=trained.epochs_planned,
        best_epoch=trained.best_epoch,
        apart=trained.apart,
        interrupted=trained.interrupted,
        seconds=trained.seconds,
        device=trained.device,
        next_command=_next_command(output, data.source, settings),
    )


def _refuse_own_sources(model: Path, output: Path, settings: FoldTrainSettings) -> None:
    for what, path in (("the network before folding", model), ("--data", settings.data)):
        if path is not None and output.resolve() == Path(path).resolve():
            raise UserError("--output", f"is {what} {path} itself, expected another file", "Give another name")


def _refuse_to_lose(output: Path, state: Path, *, resume: bool) -> None:
    """A training that was interrupted is not begun anew, nor one that has ended, unless the user says so."""
    if state.exists() and not resume:
        problem = f"got none, but {state} holds a training that was interrupted"
        raise UserError("--resume", problem, f"Add --resume to go on with it, or delete {state.name} to start anew")
    if resume and output.exists() and not state.exists():
        problem = f"{output} is there, but no interrupted training beside it, expected {state.name}"
        raise UserError("--resume", problem, "Leave --resume out to train anew, which replaces the file")


def _next_command(output: Path, source: str, settings: FoldTrainSettings) -> str:
    words = ["eecompile", "build", str(output)]
    if settings.factory is not None:
        words += ["--factory", settings.factory]
    beside = default_data_path(output)
    if beside is None or not Path(source).exists() or not beside.samefile(source):
        words += ["--data", source]
    if settings.seed != 0:
        words += ["--seed", str(settings.seed)]
    return shlex.join(words)
