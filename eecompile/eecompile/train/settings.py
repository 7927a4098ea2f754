"""Everything that a user can choose for training heads; flags of `eecompile attach` and `refresh` mirror it."""

from dataclasses import dataclass

from eengines.errors import UserError

__all__ = ["LOSS_WEIGHTS", "MODES", "TARGETS", "TrainSettings"]

MODES = ("frozen", "joint")
TARGETS = ("trunk", "labels")
LOSS_WEIGHTS = ("eenet", "equal", "pame")
AUGMENTATIONS = ("none", "crop-flip")
DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """How heads are trained.

    Attributes:
        mode: `frozen` trains heads alone; the trunk's weights, statistics and answers stay bit for bit. `joint` trains
            everything.
        target: what a head shall answer. `trunk`: the trunk's own answer on the same augmented sample, by distillation
            (Gati); needs no labels. `labels`: the labels, by cross-entropy. In joint mode the final exit always learns
            the labels.
        alpha: share of the distillation term in the loss (Gati: 0.5).
        temperature: of distillation (Gati: 6).
        loss_weights: of the exits in joint mode: `eenet` k/(K(K+1)), `equal` 1 each, `pame` 1/K each.
        epochs: passes over the training samples.
        batch: samples a step.
        learning_rate: at the peak of the schedule; a step that would move a layer too far is shortened.
        weight_decay: on weights, not on biases and norms.
        augmentation: `none`, or `crop-flip`: images are shifted by up to 1/8 of the side and mirrored.
        views: in frozen mode, how many augmented copies of each sample there are: epochs take them in turn, so that
            features can be kept. 1 without augmentation. In joint mode every epoch draws anew.
        cache_bytes: most bytes of features kept on disk; what does not fit is computed again in every epoch.
        validation: share of the training samples that no step sees and by which the best epoch is kept.
        device: where to train; `auto`: a GPU where torch has one.
        precision: of the arithmetic; `auto`: bfloat16 where the device has units for it (AMX, a recent GPU), else
            float32.
        seed: of weights, order and augmentation.

    Raises:
        UserError: a field that does not fit.
    """

    mode: str = "frozen"
    target: str = "trunk"
    alpha: float = 0.5
    temperature: float = 6.0
    loss_weights: str = "eenet"
    epochs: int = 10
    batch: int = 128
    learning_rate: float = 0.05
    weight_decay: float = 5e-4
    augmentation: str = "none"
    views: int = 1
    cache_bytes: int = 4 << 30
    validation: float = 0.1
    device: str = "auto"
    precision: str = "auto"
    seed: int = 0

    @property
    def needs_labels(self) -> bool:
        """Whether something learns from labels."""
        return self.mode == "joint" or self.target == "labels"

    def __post_init__(self) -> None:
        for flag, value, known in (
            ("--mode", self.mode, MODES),
            ("--target", self.target, TARGETS),
            ("--loss-weights", self.loss_weights, LOSS_WEIGHTS),
            ("--augmentation", self.augmentation, AUGMENTATIONS),
            ("--train-device", self.device, DEVICES),
            ("--train-precision", self.precision, PRECISIONS),
        ):
            if value not in known:
                raise UserError(flag, f"got {value!r}, expected one of {', '.join(known)}", "Choose one of them")
        for flag, number, least in (
            ("--epochs", self.epochs, 1),
            ("--train-batch", self.batch, 2),
            ("--views", self.views, 1),
            ("--cache-size", self.cache_bytes, 0),
            ("--seed", self.seed, 0),
            ("--weight-decay", self.weight_decay, 0),
        ):
            if not least <= number < float("inf"):
                raise UserError(flag, f"got {number}, expected {least} or more", f"Give {least} or more")
        for flag, rate in (("--learning-rate", self.learning_rate), ("--temperature", self.temperature)):
            if not 0 < rate < float("inf"):
                raise UserError(flag, f"got {rate}, expected more than 0", "Give a positive number")
        if self.views > 1 and self.augmentation == "none":
            problem = f"got {self.views} without augmentation, which would make equal copies, expected 1"
            raise UserError("--views", problem, "Add --augmentation crop-flip, or leave --views out")
        if not 0 <= self.alpha <= 1:
            raise UserError("--alpha", f"got {self.alpha}, expected 0 to 1", "Give for example 0.5")
        if not 0 < self.validation < 1:
            raise UserError("--validation", f"got {self.validation}, expected a share", "Give for example 0.1")
