"""The folded checkpoint of a build: the model itself, or what is trained from it."""

from dataclasses import dataclass, replace
from pathlib import Path

from eecompile.build.fold_settings import FoldSettings
from eecompile.build.settings import BuildSettings
from eecompile.checkpoint import Checkpoint, load_checkpoint
from eecompile.fold_training.earlier_training import EarlierTraining, earlier_training
from eecompile.stages import Stages
from eecompile.torch_file import TorchKind, has_foreign_objects, torch_kind
from eengines.errors import UserError
from eerun.bundle import unfolded_place
from eerun.data import default_data_path
from eerun.folding import GroupExit

__all__ = ["FoldedBuild", "fold_model"]

MAKE_WEIGHTS = "folding makes new weights, which need the network's code and its own weights to be trained"


@dataclass(frozen=True, kw_only=True)
class FoldedBuild:
    """What there is to build.

    Attributes:
        model: a folded checkpoint.
        settings: to build it with; the bundle has the place that the model's own would have.
        unfolded: settings for the bundle of the network before folding; None: it is not built.
        training: what the checkpoint says of its training, on a hit in the cache, too; None: nothing.
    """

    model: Path
    settings: BuildSettings
    unfolded: BuildSettings | None
    training: EarlierTraining | None


def fold_model(model: Path, settings: BuildSettings, folding: FoldSettings, stages: Stages) -> FoldedBuild:
    """Return a checkpoint that is folded as asked: the model, or one that is trained now, or was before.

    Args:
        model: what the user gave.
        settings: of the build.
        folding: with a fold factor.
        stages: where training is shown.

    Raises:
        UserError: the model is no checkpoint, or is folded otherwise.
        IngestError: the network cannot be folded.
        DataError: there is no training split.
    """
    training = folding.training(data=settings.data, factory=settings.factory, seed=settings.seed)
    checkpoint = _checkpoint(model)
    place = settings.output or model.with_suffix(".ee")
    beside = default_data_path(model)
    data = settings.data or (None if beside is None else str(beside))
    here = replace(settings, output=place, data=data)
    if checkpoint.fold != 1:
        _check_same(model, checkpoint, folding)
        told = earlier_training(checkpoint)
        return FoldedBuild(model=model, settings=here, unfolded=None, training=told)
    here.row_buckets(training.factor)  # refuses buckets that are no whole groups before training
    from eecompile.fold_training import folded_checkpoint

    folded = folded_checkpoint(model, training, stages)
    unfolded = replace(here, output=unfolded_place(place), fold_exit=GroupExit.ALL) if folding.unfolded else None
    told = earlier_training(load_checkpoint(folded))
    return FoldedBuild(model=folded, settings=here, unfolded=unfolded, training=told)


def _checkpoint(model: Path) -> Checkpoint:
    """Load the model if it is a checkpoint."""
    kind = "an ONNX graph"
    if model.suffix.lower() != ".onnx":
        found = torch_kind(model)
        if found is TorchKind.SAVED and not has_foreign_objects(model):
            return load_checkpoint(model)
        kind = "a pickled module" if found is TorchKind.SAVED else found.value
    problem = f"got {model}, which is {kind}; {MAKE_WEIGHTS}"
    raise UserError("--fold", problem, "Give a checkpoint (eecompile.checkpoint.save_checkpoint), or leave --fold out")


def _check_same(model: Path, checkpoint: Checkpoint, folding: FoldSettings) -> None:
    """A checkpoint that is folded already must be folded as asked."""
    if checkpoint.fold != folding.fold:
        problem = f"got {folding.fold}, but {model} is folded by {checkpoint.fold} already"
        raise UserError("--fold", problem, "Leave it out, or give the network before folding")
    if folding.fold_widths not in (None, checkpoint.fold_widths):
        problem = f"got {folding.fold_widths}, but {model} was folded with {checkpoint.fold_widths}"
        raise UserError("--fold-widths", problem, "Leave it out, or give the network before folding")
