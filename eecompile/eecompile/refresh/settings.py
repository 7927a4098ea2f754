"""Everything that a user can choose for a refresh. The flags of `eecompile refresh` mirror these fields."""

from dataclasses import dataclass, field
from pathlib import Path

from eecompile.train.settings import TrainSettings
from eengines.errors import UserError

__all__ = ["RefreshSettings"]


def _train_settings() -> TrainSettings:
    return TrainSettings(validation=0.2)


@dataclass(frozen=True, kw_only=True)
class RefreshSettings:
    """Settings of one refresh.

    Attributes:
        data: recent samples: `.npz` file, image folder or `package.module:function`.
        model: the checkpoint that the bundle was built from; None: the file that the bundle
            names as its source, beside it.
        factory: `package.module:function` that makes the trunk.
        output: where to write the checkpoint with the refreshed heads; None: in the place of `model`.
        max_drop: allowed relative drop against the final exit; None: that of the build.
        agreement: the drop is in agreement with the final exit's answers; so it is, too, where the build meant it so
            or the samples have no labels.
        min_gain: by how much a head must answer more of the validation samples as the trunk does (with target `labels`:
            as labelled) to keep its new weights, as a share of these samples.
        train: how heads are trained; the trunk is frozen. The share for validation is larger than elsewhere, because
            it decides which heads are replaced. The seed also cuts the samples: with another one than in
            the refresh before, what heads have learned from may be in *tune* and *test*.

    Raises:
        UserError: a field that does not fit.
    """

    data: str
    model: Path | None = None
    factory: str | None = None
    output: Path | None = None
    max_drop: float | None = None
    agreement: bool = False
    min_gain: float = 0.001
    train: TrainSettings = field(default_factory=_train_settings)

    def __post_init__(self) -> None:
        for flag, value in (("--max-drop", self.max_drop), ("--min-gain", self.min_gain)):
            if value is not None and not 0 <= value <= 1:
                raise UserError(flag, f"got {value:.3g}, expected 0% to 100%", "Give for example 1%")
        if self.train.mode != "frozen":
            problem = f"got {self.train.mode}, expected frozen: a refresh leaves the trunk as it is"
            raise UserError("--mode", problem, "Train the network together with eecompile attach, and build it again")
