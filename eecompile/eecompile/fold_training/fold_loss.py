"""What an exit of a folded network is trained to do, as a number."""

from torch import Tensor
from torch.nn import functional

from eecompile.fold_training.settings import FoldTrainSettings
from eecompile.train.losses import label_loss, soft_targets

__all__ = ["fold_loss"]


def fold_loss(logits: Tensor, teacher: Tensor, labels: Tensor | None, settings: FoldTrainSettings) -> Tensor:
    """α·D + (1 − α)·CE(z, label); D alone without labels.

    D is the mean over images and classes of (z − t)², for logits z and the teacher's logits t (FoldedCNNs), or
    T²·KL(softmax(t/T) ‖ softmax(z/T)).

    Args:
        logits: `[images, classes]` of one exit.
        teacher: the same of the teacher's exit of the same number.
        labels: `[images]` int64, or None.
        settings: distillation, temperature and α.
    """
    if settings.distillation == "mse":
        distilled = functional.mse_loss(logits, teacher)
    else:
        distilled = soft_targets(logits, teacher, temperature=settings.temperature)
    if labels is None:
        return distilled
    return settings.alpha * distilled + (1 - settings.alpha) * label_loss(logits, labels, ignored=None)
