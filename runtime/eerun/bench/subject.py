"""What a bench run measures: bundle, engine, data."""

from dataclasses import dataclass

from eerun.bench.contestants import ChainContestants
from eerun.bench.file_names import without_folder
from eerun.bench.settings import BenchSettings
from eerun.bench.split_to_bench import SplitToBench

__all__ = ["Subject", "subject_of"]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What was measured.

    Attributes:
        bundle: name of the bundle's folder.
        model: file name of the model that it was built from.
        engine: name of the chain's backend.
        precision: precision of the chain's graphs.
        threads: threads of every engine.
        batch: samples a batch.
        policy: name of the exit policy.
        macs: multiply-accumulates a row of each segment; a row is a sample, or of a folded network a group of images.
        whole_macs: multiply-accumulates a row of the whole network.
        data: where the samples come from: name of a file or folder, or of a function.
        data_sha256: digest of the test split.
        data_of_build: whether that is the test split of the build; None: the build had no data.
        fold: images a row; 1: the network is not folded.
    """

    bundle: str
    model: str
    engine: str
    precision: str
    threads: int
    batch: int
    policy: str
    macs: tuple[int, ...]
    whole_macs: int
    data: str
    data_sha256: str
    data_of_build: bool | None
    fold: int = 1


def subject_of(chain: ChainContestants, split: SplitToBench, settings: BenchSettings, *, threads: int) -> Subject:
    """Describe what a run is about to measure."""
    way = chain.way
    manifest = way.bundle.manifest
    return Subject(
        bundle=without_folder(way.bundle.path),
        model=manifest.source,
        engine=way.engine,
        precision=way.entry.precision,
        threads=threads,
        batch=settings.batch_size,
        policy=chain.policy,
        macs=tuple(segment.macs for segment in manifest.segments),
        whole_macs=manifest.whole_macs,
        data=without_folder(split.source),
        data_sha256=split.sha256,
        data_of_build=split.of_build,
        fold=manifest.images_a_row,
    )
