"""Everything that a user can choose for training a folded network; flags of `eecompile fold` mirror it."""

from dataclasses import dataclass

from eecompile.fold.spec import MULTIPLE_OF_8, FoldSpec
from eecompile.train.schedule import steps_of
from eecompile.train.settings import TrainSettings
from eengines.errors import UserError

__all__ = ["DISTILLATIONS", "FoldTrainSettings"]

DISTILLATIONS = ("mse", "kl")

USUAL_BATCH, LEAST_ROWS = 32, 2
LEAST_EPOCHS = 20
LEAST_STEPS = 600
"""With few images an epoch is short. On the digits of the example, folded by 4, the final exit had 98.2 % of the test
images right after 400 steps and 98.7 % after 600; the unfolded network has 98.3 %."""


@dataclass(frozen=True, kw_only=True)
class FoldTrainSettings:
    """How a network is folded and trained.

    Attributes:
        factor: images that share one pass.
        widths: rule for the widths of hidden layers, see `FoldSpec`.
        data: `.npz` file, image folder or `package.module:function` with a *train* split; None: the `.npz` of the
            model's name beside it.
        factory: `package.module:function` that makes the network, for a checkpoint that names no architecture.
        distillation: from the teacher's exit of the same number. `mse`: mean squared error of the logits, as published
            for FoldedCNNs. `kl`: divergence of the softened answers.
        temperature: of `kl`.
        alpha: share of distillation in the loss of an exit; the rest is cross-entropy against the labels. Without
            labels distillation is all of it.
        loss_weights: of the exits: `eenet` k/(K(K+1)), `equal` 1 each, `pame` 1/K each.
        separate: share of the epochs, from the first on, in which the images of a row stay apart, see
            `SeparateImages`; 0: the network starts from random weights, as published. Below 1 the last epoch is never
            one of them, and no weights of these epochs are kept.
        curriculum: start with some classes and add others later, as published for FoldedCNNs.
        curriculum_epochs: after how many epochs classes are added; None: so that the second half of the epochs has
            them all.
        epochs: passes over the training images; None: 20, or as many more as make 600 steps.
        batch: images a step, put into rows; the last row of an epoch is left out where it is not full. None: 32, or two
            rows where these are more.
        learning_rate: at the peak of the schedule; a step that would move a layer too far is shortened.
        weight_decay: on weights, not on biases and norms.
        augmentation: `none`, or `crop-flip`: images are shifted by up to 1/8 of the side and mirrored.
        cache_bytes: most bytes of teacher's logits kept on disk; more are computed again in every step.
        device: where to train; `auto`: a GPU where torch has one.
        precision: of the arithmetic; `auto`: bfloat16 where the device has units for it, else float32.
        seed: of weights, partners, augmentation and splits.

    Raises:
        UserError: a field that does not fit.
        IngestError: a factor or rule that does not exist.
    """

    factor: int
    widths: str = MULTIPLE_OF_8
    data: str | None = None
    factory: str | None = None
    distillation: str = "mse"
    temperature: float = 4.0
    alpha: float = 0.5
    loss_weights: str = "pame"
    separate: float = 0.75
    curriculum: bool = False
    curriculum_epochs: int | None = None
    epochs: int | None = None
    batch: int | None = None
    learning_rate: float = 0.1
    weight_decay: float = 5e-4
    augmentation: str = "none"
    cache_bytes: int = 4 << 30
    device: str = "auto"
    precision: str = "auto"
    seed: int = 0

    @property
    def spec(self) -> FoldSpec:
        """How the network is folded."""
        return FoldSpec(self.factor, self.widths)

    @property
    def rows(self) -> int:
        """Rows a step."""
        return self.images // self.factor

    @property
    def images(self) -> int:
        """Images a step."""
        return max(USUAL_BATCH, LEAST_ROWS * self.factor) if self.batch is None else self.batch

    def epochs_for(self, images: int) -> int:
        """How many epochs there are for so many training images."""
        if self.epochs is not None:
            return self.epochs
        steps = steps_of(images // self.factor, self.rows)
        return max(LEAST_EPOCHS, -(-LEAST_STEPS // steps))

    def epochs_apart(self, epochs: int) -> int:
        """How many of the epochs, from the first on, keep images apart; the last does not, except where all shall."""
        return epochs if self.separate == 1 else min(round(self.separate * epochs), max(epochs - 1, 0))

    def for_loop(self, epochs: int) -> TrainSettings:
        """What the loop over the epochs needs to know; its batch is in rows."""
        return TrainSettings(
            mode="frozen",
            target="trunk",
            alpha=self.alpha,
            temperature=self.temperature,
            loss_weights=self.loss_weights,
            epochs=epochs,
            batch=self.rows,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            augmentation=self.augmentation,
            cache_bytes=self.cache_bytes,
            device=self.device,
            precision=self.precision,
            seed=self.seed,
        )

    def __post_init__(self) -> None:
        least = LEAST_ROWS * self.spec.factor
        if self.images < least:
            problem = f"got {self.images} images, expected {least} or more: two rows of {self.factor}"
            raise UserError("--train-batch", problem, f"Give a multiple of {self.factor}")
        if self.distillation not in DISTILLATIONS:
            expected = ", ".join(DISTILLATIONS)
            raise UserError("--distillation", f"got {self.distillation!r}, expected one of {expected}", "Choose one")
        if not 0 <= self.separate <= 1:
            raise UserError("--separate", f"got {self.separate}, expected a share, 0 to 1", "Give for example 0.75")
        if self.curriculum_epochs is not None and not self.curriculum:
            raise UserError("--curriculum-epochs", "got it without --curriculum", "Add --curriculum")
        if self.curriculum_epochs is not None and self.curriculum_epochs < 1:
            problem = f"got {self.curriculum_epochs}, expected 1 or more"
            raise UserError("--curriculum-epochs", problem, "Give 1 or more")
        self.for_loop(LEAST_EPOCHS if self.epochs is None else self.epochs)
