"""Record what the exits of a configuration say, with exits off; also `eecompile trace`."""

from collections.abc import Mapping

import numpy as np

from eecalib.trace import Recording, SplitRecording, record_trace
from eecalib.tuning.tuners import map_policies
from eecompile.stages import Stages
from eecompile.tune.graphs_digest import graphs_digest
from eecompile.tune.own_logits import with_own_logits
from eengines.errors import DataError
from eengines.tensors import Array
from eerun.bundle import Bundle
from eerun.choose_configuration import choose_configuration
from eerun.circumstances import engine_version
from eerun.configuration import Configuration
from eerun.data import Samples, digest

__all__ = ["check_recording", "record_bundle"]

REFERENCE = ("onnxruntime", "float32")


def record_bundle(
    way: Configuration,
    splits: Mapping[str, Samples],
    stages: Stages,
    *,
    threads: int | None,
    float32: Mapping[str, Array] | None = None,
) -> Recording:
    """Run every split through a configuration with exits off, and through the whole network in float32.

    Args:
        way: the configuration.
        splits: the samples.
        stages: where progress is shown.
        threads: of engines on the CPU.
        float32: what the whole network answers in float32, by split; None: it is run.

    Raises:
        BuildError: graphs cannot be changed.
        EngineError: an engine failed.
    """
    bundle = way.bundle
    if float32 is None:
        float32 = float32_answers(bundle, splits, stages, threads=threads)
    total, done, found = sum(map(len, splits.values())), 0, {}
    with stages.stage(f"record exits of {way.words}"):
        executor = with_own_logits(way).open_chain(threads=threads)
        policies = map_policies(executor.segments)
        for name, samples in splits.items():
            start = done

            def progress(share: float, start: int = start, count: int = len(samples)) -> None:
                stages.progress((start + share * count) / total)

            trace = record_trace(executor, samples, policies, progress)
            found[name] = SplitRecording(trace=trace, float32=float32[name], sha256=digest(samples))
            done += len(samples)
    return Recording(
        source_sha256=bundle.manifest.source_sha256,
        configuration=way.name,
        graphs_sha256=graphs_digest(way),
        engine_version=engine_version(way.engine),
        exits=bundle.manifest.exits,
        splits=found,
    )


def float32_answers(
    bundle: Bundle, splits: Mapping[str, Samples], stages: Stages, *, threads: int | None
) -> dict[str, Array]:
    """Answers of the final exit in float32, by split: what a drop is relative to."""
    engine, precision = REFERENCE
    with stages.stage("whole network in float32, for comparison"):
        way = choose_configuration(bundle, engine=engine, precision=precision)
        whole, step = way.open_whole(threads=threads), way.costs().max_batch * bundle.manifest.images_a_row
        total, done, answers = sum(map(len, splits.values())), 0, {}
        for name, samples in splits.items():
            parts = []
            for start in range(0, len(samples), step):
                part = whole.infer({key: array[start : start + step] for key, array in samples.inputs.items()})
                parts.append(
                    part.argmax(axis=1).astype(np.int64 if part.ndim == 2 else np.min_scalar_type(part.shape[1]))
                )
                done += len(part)
                stages.progress(done / total)
            answers[name] = np.concatenate(parts)
    return answers


def check_recording(recording: Recording, way: Configuration, splits: Mapping[str, Samples]) -> None:
    """Refuse a recording of another bundle, configuration, engine or data. Another policy does not matter.

    Args:
        recording: what was opened.
        way: the configuration that is tuned.
        splits: the samples.

    Raises:
        DataError: it is not that of this configuration on these samples.
    """
    manifest, recorded = way.bundle.manifest, recording.splits
    for what, got, expected in (
        ("model", recording.source_sha256[:12], manifest.source_sha256[:12]),
        ("configuration", recording.configuration, way.name),
        ("exits", ", ".join(recording.exits), ", ".join(manifest.exits)),
        ("splits", ", ".join(recorded), ", ".join(splits)),
        *((f"split {name}", recorded[name].sha256[:12], digest(splits[name])[:12]) for name in recorded),
        ("digest of graphs", recording.graphs_sha256[:12], graphs_digest(way)[:12]),
    ):
        if got != expected:
            raise DataError("--trace", f"its {what} is {got}, the bundle has {expected}", "Record it again")
    version = engine_version(way.engine)
    if recording.engine_version != version:
        problem = f"it was recorded with {way.engine} {recording.engine_version}, here is {version}"
        raise DataError("--trace", problem, "Record it again")
