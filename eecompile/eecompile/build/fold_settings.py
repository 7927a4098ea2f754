"""Everything that a user can choose for folding in `eecompile build`. Its flags mirror these fields."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from eecompile.fold.spec import MULTIPLE_OF_8, check_factor, check_widths
from eengines.errors import UserError

if TYPE_CHECKING:
    from eecompile.fold_training import FoldTrainSettings

__all__ = ["FoldSettings"]


@dataclass(frozen=True, kw_only=True)
class FoldSettings:
    """Whether and how a network is folded before it is built.

    What is said here of training holds where the model is not folded yet; `eecompile fold` has all settings of it.

    Attributes:
        fold: images that share one pass; None: the model is built as it is.
        fold_widths: rule for the widths of hidden layers, see `FoldSpec`; None: `multiple-of-8`, of a folded checkpoint
            its own.
        unfolded: whether the network before folding is built, too, and compared.
        distillation: see `FoldTrainSettings`.
        curriculum: see `FoldTrainSettings`.
        fold_epochs: passes over the training images; None: see `FoldTrainSettings`.
        fold_augmentation: `none`, or `crop-flip`.

    Raises:
        UserError: a field that does not fit.
    """

    fold: int | None = None
    fold_widths: str | None = None
    unfolded: bool = True
    distillation: str = "mse"
    curriculum: bool = False
    fold_epochs: int | None = None
    fold_augmentation: str = "none"

    def __post_init__(self) -> None:
        if self.fold is None:
            changed = [field.name for field in fields(self) if getattr(self, field.name) != field.default]
            if changed:
                flag = "--no-unfolded" if changed[0] == "unfolded" else f"--{changed[0].replace('_', '-')}"
                raise UserError(flag, "got it without --fold", "Add for example --fold 4, or leave it out")
            return
        check_factor(self.fold, where="--fold", error=UserError)
        if self.fold_widths is not None:
            check_widths(self.fold_widths, where="--fold-widths", error=UserError)

    def training(self, *, data: str | None, factory: str | None, seed: int) -> "FoldTrainSettings":
        """Return how the folded network is trained.

        Args:
            data: the data of the build.
            factory: what makes the network.
            seed: of the build, because its splits must be the same.

        Raises:
            UserError: a setting that training refuses, or nothing shall be folded.
        """
        from eecompile.fold_training import FoldTrainSettings

        if self.fold is None:
            raise UserError("--fold", "got none", "Give the number of images that share one pass")
        return FoldTrainSettings(
            factor=self.fold,
            widths=self.fold_widths or MULTIPLE_OF_8,
            data=data,
            factory=factory,
            distillation=self.distillation,
            curriculum=self.curriculum,
            epochs=self.fold_epochs,
            augmentation=self.fold_augmentation,
            seed=seed,
        )
