"""What is inside a checkpoint, as text."""

from pathlib import Path

import msgspec

from eecompile.attach.heads_table import heads_table
from eecompile.checkpoint import Checkpoint, load_checkpoint

__all__ = ["checkpoint_text"]


def checkpoint_text(path: Path) -> str:
    """Describe a checkpoint.

    Raises:
        IngestError: it is damaged.
    """
    checkpoint = load_checkpoint(path)
    parameters = sum(tensor.numel() for tensor in checkpoint.state_dict.values())
    lines = [
        f"==== Checkpoint {path} ====",
        f"Architecture: {checkpoint.arch or 'not named: --factory is needed'} {dict(checkpoint.arch_kwargs)}",
        f"Exits: {', '.join(checkpoint.exits)}",
        f"Weights: {len(checkpoint.state_dict)} tensors, {parameters / 1e3:.1f}k numbers",
        f"Task: {checkpoint.task}, fold {checkpoint.fold}{_widths(checkpoint)}",
        *(f"Input: {msgspec.json.encode(info.to_dict()).decode()}" for info in checkpoint.inputs),
    ]
    if checkpoint.attached is not None:
        lines += ["", "---- Attached heads ----", *heads_table(checkpoint.attached)]
    return "\n".join(lines)


def _widths(checkpoint: Checkpoint) -> str:
    """By which rule the layers of a folded network were widened."""
    return "" if checkpoint.fold_widths is None else f" images a row, widths {checkpoint.fold_widths}"
