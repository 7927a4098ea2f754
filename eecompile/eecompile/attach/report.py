"""What `eecompile attach` found, trained and wrote."""

from dataclasses import dataclass

from eecompile.attach.attachment import Attachment
from eecompile.attach.place_heads import RefusedHead
from eecompile.train.report import TrainReport

__all__ = ["AttachReport"]


@dataclass(frozen=True, kw_only=True)
class AttachReport:
    """One run.

    Attributes:
        backbone: what heads were attached to, as the user named it.
        output: the checkpoint that was written.
        attachment: taps, candidates with what was measured, and the exits.
        refused: kinds that taps cannot have.
        trunk_parameters: number of the trunk's weights.
        train: the training.
        next_command: what the user would run next.
    """

    backbone: str
    output: str
    attachment: Attachment
    refused: tuple[RefusedHead, ...]
    trunk_parameters: int
    train: TrainReport
    next_command: str
