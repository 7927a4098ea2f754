"""The summary at the end of `eecompile attach`, as text."""

from eecompile.attach.heads_table import heads_table
from eecompile.attach.report import AttachReport

__all__ = ["attach_summary"]


def attach_summary(report: AttachReport) -> str:
    """Every head, the exits, the training, and what to do next."""
    train, pixels = report.train, len(report.attachment.output) > 1
    lines = [
        f"=== {report.output} from {report.backbone} ===",
        *heads_table(report.attachment),
        f"Trained on {train.samples} samples for {train.epochs} epochs, {train.validation_samples} held out; "
        f"{train.device}, {train.seconds:.1f} s",
    ]
    if train.accuracy_final is not None:
        held_out = "the pixels of held-out samples" if pixels else "the held-out samples"
        lines.append(f"The trunk's own answer: {train.accuracy_final:.2%} of {held_out} right")
    lines.append(f"Next: {report.next_command}")
    lines.append(f"{'INTERRUPTED' if train.interrupted else 'PASSED'} | {report.output}")
    return "\n".join(lines)
