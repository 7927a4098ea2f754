"""What a composition is compared with: the exits that are there, and one kind of head at every tap."""

from eecompile.attach.attachment import Attachment

__all__ = ["BEFORE", "rivals"]

BEFORE = "as it was"


def rivals(attachment: Attachment, chosen: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """Return compositions by name; a tap that lacks a kind has no exit there.

    Args:
        attachment: all heads.
        chosen: names of the heads that are exits in the checkpoint.
    """
    found = {BEFORE: tuple(index for index, head in enumerate(attachment.heads) if head.name in chosen)}
    for label in dict.fromkeys(head.label for head in attachment.heads):
        found[f"{label} at every tap"] = tuple(
            index for index, head in enumerate(attachment.heads) if head.label == label
        )
    return {name: kept for name, kept in found.items() if kept}
