"""The graphs of a refreshed network: cut as before, and compared with those that the bundle has."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from eecalib.int8.ranges import Ranges
from eecompile.build.calibrate import Lengths
from eecompile.build.candidates import PORTABLE
from eecompile.build.cut_network import cut_network
from eecompile.build.lower_graphs import Lowering, lower_graphs, serialize
from eecompile.build.report import BuildReport
from eecompile.ingest import IngestSettings, ingest
from eecompile.refresh.changed_values import changed_values, same_but_for_weights
from eecompile.refresh.observe_anew import observe_anew
from eecompile.regraph import ExitNames, rescore
from eecompile.split import Split
from eecompile.stages import Stages
from eengines.errors import BuildError
from eengines.tensors import Array
from eerun.bundle import Bundle, ConfigurationEntry
from eerun.sequence import at_length

__all__ = ["NewGraphs", "make_graphs"]

CALIBRATION_SAMPLES = 1024
"""As many as a build takes at most."""

LOWERED = ("float32", "bfloat16", "int8")
"""What is written again. What float16 can hold was found out on the calibration data of the build."""


@dataclass(frozen=True, kw_only=True)
class NewGraphs:
    """What the bundle's graphs become.

    Attributes:
        files: path in the bundle -> bytes, of the graphs that change.
        ranges: INT8 ranges with those of the changed values; None: the bundle has none, or they stay.
        observed: how many ranges were taken anew.
        lost: configurations on the CPU whose graphs are not written again, with the reason.
    """

    files: Mapping[str, bytes]
    ranges: Ranges | None
    observed: int
    lost: Mapping[str, str]

    def segments_of(self, entry: ConfigurationEntry) -> tuple[int, ...]:
        """Numbers of the segments of a configuration whose graphs change."""
        return tuple(index for index, file in enumerate(entry.segments) if file in self.files)


NO_GRAPHS = NewGraphs(files={}, ranges=None, observed=0, lost={})
"""Where no head has changed."""


def make_graphs(
    bundle: Bundle,
    checkpoint: Path,
    factory: str | None,
    samples: Mapping[str, Array],
    stages: Stages,
) -> NewGraphs:
    """Export the refreshed checkpoint, cut it, and write the graphs of every configuration on the CPU.

    Args:
        bundle: as it is.
        checkpoint: the refreshed one.
        factory: what makes the trunk.
        samples: recent raw samples that training has seen, for checks and INT8 ranges.
        stages: where progress is shown.

    Raises:
        BuildError: the network is another one than that of the bundle in more than weights.
        IngestError: the checkpoint does not export.
    """
    split = _cut_again(bundle, checkpoint, factory, samples, stages)
    with stages.stage("write the graphs that change"):
        changed = _changed(bundle, split)
        ranges, old = None, _ranges(bundle)
        if old is not None and any(changed):
            recent = {name: array[:CALIBRATION_SAMPLES] for name, array in samples.items()}
            ranges = observe_anew(split, old, changed, recent, _lengths(bundle), stages)
        keep_float = bundle.read_json(bundle.manifest.report, BuildReport).keep_float
        source = Lowering(split=split, ranges=ranges or old, keep_float=frozenset(keep_float))
        files, lost = _lower(bundle, source)
    observed = 0 if old is None else len(frozenset().union(*changed) & set(old.tensors))
    return NewGraphs(files=files, ranges=ranges, observed=observed, lost=lost)


def _cut_again(
    bundle: Bundle, checkpoint: Path, factory: str | None, samples: Mapping[str, Array], stages: Stages
) -> Split:
    manifest = bundle.manifest
    with stages.stage("load and export"):
        ingested = ingest(checkpoint, IngestSettings(factory=factory, exits=manifest.exits))
    policy = bundle.policy(_portable(bundle)).make()
    lengths = manifest.lengths
    fitted = at_length(samples, manifest.inputs, lengths[-1].length) if lengths else samples
    return cut_network(ingested, fitted, policy, inputs=manifest.inputs, lengths=lengths, stages=stages).split


def _changed(bundle: Bundle, split: Split) -> list[frozenset[str]]:
    """For each segment the values that depend on changed weights.

    Raises:
        BuildError: more than weights has changed.
    """
    import onnx

    found = []
    for index, (entry, segment) in enumerate(zip(bundle.manifest.segments, split.segments, strict=True)):
        before, after = bundle.read(entry.file), serialize(segment.model, index)
        if before == after:
            found.append(frozenset[str]())
            continue
        old, new = onnx.load_model_from_string(before), onnx.load_model_from_string(after)
        if not same_but_for_weights(old, new):
            problem = "the refreshed network has another graph there than the bundle, expected other weights at most"
            remedy = "Build the bundle again: it was made by other versions, or with another --factory"
            raise BuildError(f"segment {index}", problem, remedy)
        found.append(changed_values(old, new))
    return found


def _ranges(bundle: Bundle) -> Ranges | None:
    return None if bundle.manifest.ranges is None else bundle.read_json(bundle.manifest.ranges, Ranges)


def _lengths(bundle: Bundle) -> Lengths | None:
    manifest = bundle.manifest
    return Lengths(manifest.inputs, [entry.length for entry in manifest.lengths]) if manifest.lengths else None


def _lower(bundle: Bundle, source: Lowering) -> tuple[dict[str, bytes], dict[str, str]]:
    """All graphs on the CPU that are not those of the bundle, by path, and what is not written."""
    manifest, files, lost = bundle.manifest, dict[str, bytes](), dict[str, str]()
    portable = _portable(bundle)
    scored = bundle.policy(portable).make()
    names = [ExitNames(logits=entry.logits, score=entry.score) for entry in manifest.segments]
    for entry in (portable, *(entry for entry in manifest.configurations if entry.device is None)):
        if entry.precision not in LOWERED:
            lost[entry.name] = f"{entry.precision} graphs need the data of the build: build again"
            continue
        graphs = lower_graphs(source, family=entry.engine, precision=entry.precision)
        policy = bundle.policy(entry).make()
        if policy != scored:
            graphs = replace(graphs, segments=rescore(graphs.segments, policy, names))
        for file, graph in zip((*entry.segments, entry.whole), (*graphs.segments, graphs.whole), strict=True):
            if manifest.files[file].sha256 != hashlib.sha256(graph).hexdigest():
                files[file] = graph
    return files, lost


def _portable(bundle: Bundle) -> ConfigurationEntry:
    """The configuration whose graphs are the float32 graphs of the manifest, or one made of them."""
    manifest = bundle.manifest
    paths = tuple(segment.file for segment in manifest.segments)
    found = (entry for entry in manifest.configurations if entry.segments == paths)
    made = replace(manifest.chosen, engine=PORTABLE.engine, precision="float32", segments=paths, whole=manifest.whole)
    return next(found, made)
