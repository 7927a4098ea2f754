"""What a folded network depends on: where all of it is the same, it is the same network."""

import json
from dataclasses import asdict
from hashlib import sha256

from eecompile.fold_training.fold_data import FoldData
from eecompile.fold_training.settings import FoldTrainSettings
from eecompile.fold_training.teacher import Teacher
from eerun.data import digest

__all__ = ["fold_identity", "identity_key"]

FORMAT = "eecompile.folded/1"
"""Changes when the same settings would train another network."""

NO_MATTER = ("data", "cache_bytes")
"""Settings that change no weight: of the data their content counts."""


def fold_identity(teacher: Teacher, data: FoldData, settings: FoldTrainSettings) -> dict[str, str]:
    """Return subject -> words or sha256: format, settings, the unfolded checkpoint, samples."""
    chosen = {name: str(value) for name, value in asdict(settings).items() if name not in NO_MATTER}
    return {
        "format": FORMAT,
        **chosen,
        "unfolded checkpoint": teacher.source_sha256,
        "training samples": digest(data.train),
        "calib samples": digest(data.calib),
    }


def identity_key(identity: dict[str, str]) -> str:
    """The sha256 of it, in hex, as a name for files."""
    return sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
