"""What a training run depends on: a state is only resumed where all of it is the same."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

import torch

from eecompile.attach.attached import Attached
from eecompile.input_info import InputInfo
from eecompile.train.arithmetic import Arithmetic
from eecompile.train.settings import TrainSettings
from eerun.data import Samples, digest

__all__ = ["run_identity"]

NO_MATTER = ("cache_bytes", "device", "precision")
"""Settings that change no weight, or that are seen from what was chosen in the end."""


def run_identity(
    attached: Attached, inputs: Sequence[InputInfo], samples: Samples, settings: TrainSettings, arithmetic: Arithmetic
) -> dict[str, str]:
    """Return subject -> words or sha256: settings, device and precision, heads, trunk, inputs, samples."""
    chosen = {name: str(value) for name, value in asdict(settings).items() if name not in NO_MATTER}
    heads = [[head.name, head.tap, head.kind, dict(head.options)] for head in attached.attachment.heads]
    shapes = [[list(weight.shape) for weight in module.state_dict().values()] for module in attached.heads]
    return {
        **chosen,
        "device and precision": str(arithmetic),
        "heads": _digest(json.dumps([heads, shapes], sort_keys=True).encode()),
        "trunk weights": _digest_weights(attached),
        "inputs": _digest(json.dumps([info.to_dict() for info in inputs], sort_keys=True).encode()),
        "samples": digest(samples),
    }


def _digest_weights(attached: Attached) -> str:
    state = hashlib.sha256()
    for name, weight in attached.trunk.state_dict().items():
        state.update(f"{name} {weight.dtype} {list(weight.shape)}\n".encode())
        state.update(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return state.hexdigest()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
