"""A trained folded network as a checkpoint."""

from dataclasses import asdict, replace

from eecompile.checkpoint import Checkpoint
from eecompile.fold_training.settings import FoldTrainSettings
from eecompile.fold_training.teacher import Teacher
from eecompile.fold_training.train_folded import TrainedFold

__all__ = ["as_checkpoint"]


def as_checkpoint(teacher: Teacher, trained: TrainedFold, settings: FoldTrainSettings) -> Checkpoint:
    """The checkpoint of the network before folding, with folded weights, and with how they were made under `meta`."""
    told = {
        "settings": {name: value for name, value in asdict(settings).items() if name != "data"},
        "unfolded_sha256": teacher.source_sha256,
        "epochs": trained.epochs,
        "best_epoch": trained.best_epoch,
        "apart": trained.apart,
        "interrupted": trained.interrupted,
        "device": trained.device,
        "calib": {
            one.name: {
                "accuracy_unfolded": one.accuracy_unfolded,
                "accuracy": one.accuracy,
                "agreement": one.agreement,
            }
            for one in trained.exits
        },
    }
    return replace(
        teacher.checkpoint,
        state_dict=trained.network.state_dict(),
        fold=settings.factor,
        fold_widths=settings.widths,
        meta={**teacher.checkpoint.meta, "fold": told},
    )
