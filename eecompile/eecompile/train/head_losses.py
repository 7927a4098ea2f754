"""The loss of every head on given features."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from eecompile.attach.attached import Attached
from eecompile.train.losses import distillation, label_loss
from eecompile.train.settings import TrainSettings

__all__ = ["HeadLosses"]


class HeadLosses:
    """What the heads of a network are trained to do.

    Args:
        attached: the network.
        settings: target and distillation.
        weights: factor on the loss of each head, in the order of the attachment.
        ignored: the label of pixels that do not count; None where all do.
    """

    def __init__(
        self, attached: Attached, settings: TrainSettings, weights: Sequence[float], *, ignored: int | None
    ) -> None:
        self._heads = {
            head.name: (head.tap, module, weight)
            for head, module, weight in zip(attached.attachment.heads, attached.heads, weights, strict=True)
        }
        self._settings, self._ignored = settings, ignored

    @property
    def names(self) -> tuple[str, ...]:
        """All heads, in the order of the attachment."""
        return tuple(self._heads)

    def answers(self, features: Mapping[str, Tensor], names: Sequence[str]) -> dict[str, Tensor]:
        """Logits of the named heads, float32."""
        answers = {}
        for name in names:
            tap, module, _ = self._heads[name]
            answers[name] = module(features[tap]).float()
        return answers

    def of(self, answers: Mapping[str, Tensor], teacher: Tensor, labels: Tensor | None) -> dict[str, Tensor]:
        """Weighted losses of heads' logits, by name; `teacher` are the trunk's logits on the same samples."""
        return {name: self._heads[name][2] * self._one(logits, teacher, labels) for name, logits in answers.items()}

    def _one(self, logits: Tensor, teacher: Tensor, labels: Tensor | None) -> Tensor:
        if self._settings.target == "trunk":
            settings = self._settings
            return distillation(logits, teacher, alpha=settings.alpha, temperature=settings.temperature)
        assert labels is not None  # noqa: S101 - refused when the samples were read
        return label_loss(logits, labels, ignored=self._ignored)
