"""What `Model.infer` answers to samples in batches of each size that engines are prepared for."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

import eerun
from eengines.tensors import Array
from eerun.model import Result

__all__ = ["answers_in_every_batch"]


def answers_in_every_batch(
    bundle: Path, inputs: Mapping[str, Array], *, engine: str, precision: str, threads: int | None
) -> list[Result]:
    """Answer all samples once for each bucket of the cost table: kernels differ between them, and may round otherwise.

    Args:
        bundle: its folder.
        inputs: arrays `[samples, ...]` by input name.
        engine: as `eerun.load`.
        precision: as `eerun.load`.
        threads: as `eerun.load`.
    """
    count = len(next(iter(inputs.values())))
    with eerun.load(bundle, engine=engine, precision=precision, threads=threads) as model:
        if model.manifest.images_a_row > 1:
            raise SystemExit(
                "the network is folded: an answer depends on the images beside it, so none can be compared"
            )
        sizes = [size for size in model.costs.buckets if size <= model.max_batch]
        parts = {
            size: [
                model.infer({name: array[start : start + size] for name, array in inputs.items()})
                for start in range(0, count, size)
            ]
            for size in sizes
        }
    return [_joined(found) for found in parts.values()]


def _joined(parts: list[Result]) -> Result:
    return Result(
        outputs=np.concatenate([part.outputs for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        exit_index=np.concatenate([part.exit_index for part in parts]),
        confidence=np.concatenate([part.confidence for part in parts]),
        steps=(),
    )
