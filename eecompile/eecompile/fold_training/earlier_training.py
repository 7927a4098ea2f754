"""What a folded checkpoint says about its training."""

from dataclasses import dataclass

import msgspec

from eecompile.checkpoint import Checkpoint
from eecompile.fold_training.report import FoldedExit

__all__ = ["EarlierTraining", "earlier_training"]


@dataclass(frozen=True, kw_only=True)
class EarlierTraining:
    """The training of a folded checkpoint; the fields are those of `FoldReport`, exits without their losses."""

    exits: tuple[FoldedExit, ...]
    epochs: int
    best_epoch: int
    apart: bool
    interrupted: bool


@dataclass(frozen=True, kw_only=True)
class _OnCalib:
    accuracy_unfolded: float | None
    accuracy: float | None
    agreement: float


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What `as_checkpoint` writes, as far as it is shown."""

    epochs: int
    best_epoch: int
    apart: bool
    interrupted: bool
    calib: dict[str, _OnCalib]


def earlier_training(checkpoint: Checkpoint) -> EarlierTraining | None:
    """Return what the checkpoint says; None where it was not trained by `eecompile fold`."""
    try:
        told = msgspec.convert(checkpoint.meta.get("fold"), _Told)
    except msgspec.ValidationError:
        return None
    return EarlierTraining(
        exits=tuple(
            FoldedExit(
                name=name,
                accuracy_unfolded=one.accuracy_unfolded,
                accuracy=one.accuracy,
                agreement=one.agreement,
                losses=(),
            )
            for name, one in told.calib.items()
        ),
        epochs=told.epochs,
        best_epoch=told.best_epoch,
        apart=told.apart,
        interrupted=told.interrupted,
    )
