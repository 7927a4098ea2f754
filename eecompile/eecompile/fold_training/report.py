"""What `eecompile fold` trained and wrote."""

from dataclasses import dataclass

__all__ = ["FoldReport", "FoldedExit"]


@dataclass(frozen=True, kw_only=True)
class FoldedExit:
    """One exit, on the *calib* samples.

    Attributes:
        name: of the exit.
        accuracy_unfolded: share of samples that the network before folding has right; None without labels.
        accuracy: the same of the folded network, in rows of random partners.
        agreement: share for which the folded network answers as the same exit before folding.
        losses: mean training loss of each epoch, times the weight of the exit.
    """

    name: str
    accuracy_unfolded: float | None
    accuracy: float | None
    agreement: float
    losses: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class FoldReport:
    """One training.

    Attributes:
        model: the network before folding.
        output: the checkpoint that was written.
        fold: images that share one pass.
        fold_widths: rule for the widths.
        exits: shallow to deep.
        parameters: number of weights of the folded network.
        parameters_unfolded: of the network before folding.
        samples: how many images were trained on.
        calib_samples: how many chose the best epoch.
        calib_from_train: whether these were cut from what the source has as *train*: the network before folding may
            have learned them.
        epochs: how many were finished.
        epochs_planned: how many there should have been.
        best_epoch: whose weights were kept, counted from 1; 0: those before training.
        apart: whether these weights keep the images of a row apart, so that no answer depends on partners.
        interrupted: whether the user stopped it.
        seconds: of the whole training.
        device: where it ran, and in which precision, as words.
        next_command: what the user would run next.
    """

    model: str
    output: str
    fold: int
    fold_widths: str
    exits: tuple[FoldedExit, ...]
    parameters: int
    parameters_unfolded: int
    samples: int
    calib_samples: int
    calib_from_train: bool
    epochs: int
    epochs_planned: int
    best_epoch: int
    apart: bool
    interrupted: bool
    seconds: float
    device: str
    next_command: str
