"""Build the bundle of a network and its engines for the card, as the benchmark of GPUs needs them."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmarks.networks import Network
from benchmarks.shown_stages import ShownStages
from eecompile.build import BuildSettings, build
from eecompile.device_engines import EnginesSettings, build_engines
from eecompile.device_engines.card import local_target
from eerun.bundle import Bundle, open_bundle

BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128)
MEASURE_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the command line asks for.

    Attributes:
        engine: of the chain, or `auto` for all.
        precision: of the chain, or `auto` for all.
        batches: batch sizes.
        seconds: of each race.
        rounds: of each profile.
        torch: whether PyTorch takes part.
        bundle: a built bundle in place of a fresh one.
    """

    engine: str
    precision: str
    batches: tuple[int, ...]
    seconds: float
    rounds: int
    torch: bool
    bundle: Path | None


def build_settings(network: Network, output: Path, data: Path, *, target: str) -> BuildSettings:
    """How the bundle is built."""
    return BuildSettings(
        output=output,
        data=str(data),
        factory=network.factory,
        max_batch=BUCKETS[-1],
        buckets=BUCKETS,
        target=target,
        measure_seconds=MEASURE_S,
    )


def engines_settings(choice: Choice, data: Path) -> EnginesSettings:
    """How its engines are built."""
    return EnginesSettings(
        engine=choice.engine, precision=choice.precision, data=str(data), buckets=BUCKETS, measure_seconds=MEASURE_S
    )


def prepare(network: Network, choice: Choice, folder: Path, *, on_gpu: bool) -> tuple[Bundle, Path]:
    """Build the bundle and, on a GPU, its engines, measured and tuned there; or copy one that is built."""
    data = network.data(folder)
    path = folder / f"{network.name}.ee"
    if choice.bundle is not None:
        shutil.copytree(choice.bundle, path)
    else:
        target = local_target(0) if on_gpu else "cpu"
        build(network.model, build_settings(network, path, data, target=target), ShownStages())
    if on_gpu:
        build_engines(path, engines_settings(choice, data), ShownStages())
    return open_bundle(path), data
