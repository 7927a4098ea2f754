"""What training measured. Samples of the validation share only: *test* is never looked at."""

from dataclasses import dataclass

__all__ = ["HeadReport", "TrainReport"]


@dataclass(frozen=True, kw_only=True)
class HeadReport:
    """One head after training, with the weights of its best epoch.

    Attributes:
        name: of the head.
        agreement: share of the validation samples (of their pixels, where the answer is dense) for which it gives the
            trunk's answer.
        accuracy: share that it answers as labelled; None without labels.
        best_epoch: the epoch whose weights were kept, counted from 1; 0: the head is as it was given.
        losses: mean training loss of each epoch; not a number where no step had a finite one.
        problem: why the head was given up before the last epoch, or None.
    """

    name: str
    agreement: float
    accuracy: float | None
    best_epoch: int
    losses: tuple[float, ...]
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class TrainReport:
    """One training run.

    Attributes:
        heads: every head, in the order of the attachment.
        accuracy_final: share of the validation samples that the trunk's answer has right, after training; None without
            labels.
        samples: how many samples were trained on.
        validation_samples: how many were held out to choose the best epoch.
        epochs: how many were finished.
        interrupted: whether the user stopped it; the heads then hold the best weights so far.
        seconds: of the whole run.
        features_seconds: of computing features.
        device: where it ran, and in which precision, as words.
    """

    heads: tuple[HeadReport, ...]
    accuracy_final: float | None
    samples: int
    validation_samples: int
    epochs: int
    interrupted: bool
    seconds: float
    features_seconds: float
    device: str
