"""Check a finished bundle: its files, and the chain against the whole network."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eecompile.build.check_chain import LOGIT_TOLERANCE
from eecompile.relative_error import relative_error
from eengines.errors import BundleError
from eengines.tensors import Array
from eengines.threads import default_threads
from eerun.bundle import Bundle, open_bundle
from eerun.configuration import Configuration, choose_configuration
from eerun.data import default_data_path, load_data, make_splits
from eerun.executor import ChainExecutor, load_chain
from eerun.inputs import check_inputs
from eerun.random_inputs import random_inputs

__all__ = ["Verification", "verify"]

SEED = 0


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What `verify` found.

    Attributes:
        files: number of files whose digests were checked.
        samples: number of samples compared.
        kind: `real` or `random`.
        engine: the backend that ran both.
        error: largest difference of the final logits, relative to their spread.
        agreement: share of samples with the same answer.
    """

    files: int
    samples: int
    kind: str
    engine: str
    error: float
    agreement: float


def verify(path: Path, *, data: str | None, engine: str, samples: int) -> Verification:
    """Check a bundle.

    Raises:
        BundleError: a file is not what the manifest says, or the chain does not equal the whole network.
    """
    bundle = open_bundle(path)
    bundle.verify_files()
    inputs, kind = _samples(bundle, data, samples)
    way = choose_configuration(bundle, engine=engine)
    executor = ChainExecutor(load_chain(way.chain(), way.backend, threads=default_threads()), way.costs())
    count = len(next(iter(inputs.values())))
    got = np.concatenate([executor.record(part)[0][:, -1] for part in _batches(inputs, executor.max_batch)])
    expected = _whole(way, inputs)
    error = relative_error(got, expected)
    if not error <= LOGIT_TOLERANCE:
        raise BundleError(
            str(path),
            f"the chain's logits differ from the whole network's by {error:.2g} of their spread, "
            f"expected at most {LOGIT_TOLERANCE}",
            "Build the bundle again",
        )
    return Verification(
        files=len(bundle.manifest.files),
        samples=count,
        kind=kind,
        engine=way.backend.name,
        error=error,
        agreement=float((got.argmax(1) == expected.argmax(1)).mean()),
    )


def _samples(bundle: Bundle, data: str | None, samples: int) -> tuple[dict[str, Array], str]:
    source = data or default_data_path(bundle.path)
    entries = bundle.manifest.inputs
    if source is None:
        return random_inputs(entries, samples, seed=SEED), "random"
    splits = make_splits(load_data(source, input_names=[e.name for e in entries]), seed=bundle.manifest.split_seed)
    return {k: v[:samples] for k, v in check_inputs(splits["test"].inputs, entries).items()}, "real"


def _whole(way: Configuration, inputs: dict[str, Array]) -> Array:
    """Logits `[samples, classes]` of the whole network."""
    loaded = load_chain(way.whole(), way.backend, threads=default_threads())
    executor = ChainExecutor(loaded, way.costs().of_whole())
    return np.concatenate([executor.record(part)[0][:, -1] for part in _batches(inputs, executor.max_batch)])


def _batches(inputs: dict[str, Array], size: int) -> list[dict[str, Array]]:
    count = len(next(iter(inputs.values())))
    return [{k: v[start : start + size] for k, v in inputs.items()} for start in range(0, count, size)]
