"""The identity of a model file."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

__all__ = ["source_hash"]


def source_hash(paths: Sequence[Path]) -> str:
    """Return the sha256, in hex: of the one file, or over the sha256 of several files in their order."""
    digests = []
    for path in paths:
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256"))
    if len(digests) == 1:
        return digests[0].hexdigest()
    return hashlib.sha256(b"".join(digest.digest() for digest in digests)).hexdigest()
