"""The attached heads of a network, as text."""

from eecompile.attach.attachment import AttachedHead, Attachment
from eerun.bench.table import aligned, share

__all__ = ["bytes_text", "heads_table"]

KIB, MIB = 2**10, 2**20


def heads_table(attachment: Attachment) -> list[str]:
    """Return one line for each head: what it answers, what it costs, and whether it is its tap's exit."""
    rows = [["tap", "head", "options", "agreement", "accuracy", "kMACs", "of trunk", "weights", "float32", "exit"]]
    rows += [_row(attachment, head) for head in attachment.heads]
    measured_on = "the pixels of held-out" if len(attachment.output) > 1 else "held-out"
    return [
        *aligned(rows),
        f"Trunk: {attachment.macs / 1e6:.2f} MMACs a sample",
        f"Agreement with the trunk's answers, and accuracy, are those on {measured_on} training samples",
        f"Exits: {', '.join(attachment.exits)}",
    ]


def bytes_text(count: int) -> str:
    """A number of bytes in the unit that fits."""
    if count < KIB:
        return f"{count} B"
    return f"{count / KIB:.1f} KiB" if count < MIB else f"{count / MIB:.1f} MiB"


def _row(attachment: Attachment, head: AttachedHead) -> list[str]:
    return [
        head.tap,
        head.label,
        ",".join(f"{option}={value}" for option, value in head.options.items()),
        share(head.agreement, 2),
        share(head.accuracy, 2),
        f"{head.macs / 1e3:.1f}",
        share(head.macs / attachment.macs if attachment.macs else None, 2),
        f"{head.parameters}",
        bytes_text(4 * head.parameters),
        "→" if head.name in attachment.chosen else "",
    ]
