"""Say why a network was not built, where, and what to do."""

import re

from eengines.errors import EngineError

__all__ = ["refusal"]

NODES = (
    re.compile(r"Cannot compile operation '(.+?)'"),
    re.compile(r"[Cc]ould not find any implementation for node (.+?)(?: due to|\.?\)|\.?$)"),
)

REMEDIES = (
    ("insufficient workspace", "Allow more workspace, or leave it to the library"),
    ("within workspace limit", "Allow more workspace, or leave it to the library"),
    ("3D convolution is not supported", "Build with --fp16, which this card has 3-D convolutions for"),
    ("3D deconvolution is not supported", "Build with --fp16, which this card has 3-D convolutions for"),
    ("HW-specific datatypes: b16", "Build with --fp16: bfloat16 came with sm_80"),
    ("ould not find any implementation", "Keep these nodes in float with --keep-float, or choose another --engine"),
    ("native INT8 convolution", "Keep these nodes in float with --keep-float, or build with --fp16"),
    ("Unsupported SM", "Install the last TensorRT for this card: 8.6.1 for sm_60, 10.4.0 for sm_70"),
)
"""Part of a message → what to do."""

OTHERWISE = "Choose another --engine, and report this with the versions"


def refusal(errors: list[str], title: str, *, repaired: tuple[str, ...]) -> EngineError:
    """Make one error of all that the library said.

    Args:
        errors: what it said, in order.
        title: the library.
        repaired: what had been changed before it said so.
    """
    text = "\n".join(errors)
    node = next((match[1] for pattern in NODES if (match := pattern.search(text))), None)
    remedy = next((remedy for part, remedy in REMEDIES if part in text), OTHERWISE)
    reason = "; ".join(errors).replace("\n", "; ").rstrip(". ") or "it gave no reason"
    after = f" (after these changes: {'; '.join(repaired)})" if repaired else ""
    return EngineError(f"node {node!r}" if node else "network", f"{title} cannot build it: {reason}{after}", remedy)
