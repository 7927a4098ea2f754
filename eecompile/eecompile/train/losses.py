"""What a head is trained to do, as a number: distillation, cross-entropy, and the weights of exits in joint training.

Logits are `[batch, classes]`, or `[batch, classes, height, width]` of dense answers. A loss is the mean over samples,
and over pixels of dense answers.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["distillation", "early_to_last", "exit_weights", "label_loss", "soft_targets"]


def distillation(logits: Tensor, teacher: Tensor, *, alpha: float, temperature: float) -> Tensor:
    """α·T²·KL(softmax(t/T) ‖ softmax(z/T)) + (1 − α)·CE(z, argmax t), for logits z and the trunk's logits t (Gati).

    KL is the sum over classes. Gati's published code takes the mean over classes instead, so that its first term is
    smaller by the number of classes.
    """
    soft = soft_targets(logits, teacher, temperature=temperature)
    return alpha * soft + (1 - alpha) * functional.cross_entropy(logits, teacher.argmax(1))


def soft_targets(logits: Tensor, teacher: Tensor, *, temperature: float) -> Tensor:
    """T²·KL(softmax(t/T) ‖ softmax(z/T)), for logits z and a teacher's logits t."""
    return temperature**2 * _divergence(teacher / temperature, logits / temperature)


def label_loss(logits: Tensor, labels: Tensor, *, ignored: int | None) -> Tensor:
    """Cross-entropy against labels `[batch]` or `[batch, height, width]` int64.

    Args:
        logits: of the head.
        labels: classes.
        ignored: the label of pixels that do not count; None where all count. Where none counts the loss is 0.
    """
    if ignored is None:
        return functional.cross_entropy(logits, labels)
    total = functional.cross_entropy(logits, labels, ignore_index=ignored, reduction="sum")
    return total / (labels != ignored).sum().clamp(min=1)


def exit_weights(name: str, taps: Sequence[str]) -> tuple[float, ...]:
    """Weights of the exits' losses in joint training.

    Exit k of K counts `eenet` k/(K(K+1)) (EENet, which favours later exits; they sum to 1/2), `equal` 1 (the sum of
    losses, as Predictive Exit has it), or `pame` 1/K (PAME's mean). Heads of one tap are candidates for one exit: they
    share its weight equally, so that the trunk feels a tap no more for having more candidates.

    Args:
        name: one of `LOSS_WEIGHTS`.
        taps: the tap of each head, from shallow to deep.

    Returns:
        One weight for each head, and the final exit's.
    """
    order = list(dict.fromkeys(taps))
    count = len(order) + 1
    of_exit = {
        "eenet": [k / (count * (count + 1)) for k in range(1, count + 1)],
        "equal": [1.0] * count,
        "pame": [1 / count] * count,
    }[name]
    return (*(of_exit[order.index(tap)] / taps.count(tap) for tap in taps), of_exit[-1])


def early_to_last(logits: Tensor, last: Tensor, *, temperature: float) -> Tensor:
    """T²·KL(softmax(z/T) ‖ softmax(l/T)) of an early exit's logits z to the last exit's l (EENet)."""
    return temperature**2 * _divergence(logits / temperature, last / temperature)


def _divergence(first: Tensor, second: Tensor) -> Tensor:
    """KL(softmax(first) ‖ softmax(second)): the sum over classes, the mean over the rest."""
    log_first, log_second = torch.log_softmax(first, 1), torch.log_softmax(second, 1)
    return (log_first.exp() * (log_first - log_second)).sum(1).mean()
