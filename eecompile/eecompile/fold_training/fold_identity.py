"""What a folded network depends on: where all of it is the same, it is the same network."""

import json
from dataclasses import asdict
from hashlib import sha256

import torch

from eecompile.fold_training.fold_data import FoldData
from eecompile.fold_training.settings import FoldTrainSettings
from eecompile.fold_training.teacher import Teacher
from eerun.data import digest

__all__ = ["fold_identity", "identity_key"]

FORMAT = "eecompile.folded/2"
"""Changes when the same settings would train another network."""

IMAGES = 8

NO_MATTER = ("data", "cache_bytes")
"""Settings that change no weight: of the data their content counts."""


def fold_identity(teacher: Teacher, data: FoldData, settings: FoldTrainSettings) -> dict[str, str]:
    """Return subject -> words or sha256: format, settings, the unfolded checkpoint, the code of its network, samples.

    The code is known by the modules that it makes, and by what these answer.
    """
    chosen = {name: str(value) for name, value in asdict(settings).items() if name not in NO_MATTER}
    return {
        "format": FORMAT,
        **chosen,
        "batch": str(settings.images),
        "unfolded checkpoint": teacher.source_sha256,
        "modules of the network": sha256(str(teacher.network).encode()).hexdigest(),
        "answers of the network": _answers(teacher),
        "training samples": digest(data.train),
        "calib samples": digest(data.calib),
    }


def _answers(teacher: Teacher) -> str:
    """The sha256 of the logits of images of random values; one thread adds up in the same order everywhere."""
    images = torch.rand(IMAGES, *teacher.shape, generator=torch.Generator().manual_seed(0))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        logits = teacher.logits(images)
    finally:
        torch.set_num_threads(threads)
    return sha256(logits.contiguous().numpy().tobytes()).hexdigest()


def identity_key(identity: dict[str, str]) -> str:
    """The sha256 of it, in hex, as a name for files."""
    return sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
