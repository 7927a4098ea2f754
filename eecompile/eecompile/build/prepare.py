"""From a model file to segments in memory: ingest, check against torch, convert inputs, split."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from eecalib.whole_groups import dealt_groups
from eecompile.build.cut_network import CHECK_SAMPLES, PROBE_SAMPLES, cut_network
from eecompile.build.graph_rows import graph_rows
from eecompile.build.length_buckets import length_buckets
from eecompile.build.settings import BuildSettings
from eecompile.ingest import Ingested, IngestSettings, ingest
from eecompile.input_info import sequences_of
from eecompile.split import Split
from eecompile.stages import Stages
from eengines.errors import DataError, UserError
from eengines.tensors import Array
from eerun.bundle import InputEntry, LengthEntry
from eerun.data import Samples, check_labels, default_data_path, load_data, make_splits
from eerun.folding import GroupExit
from eerun.inputs import check_inputs
from eerun.policies import policy_by_name
from eerun.random_inputs import random_inputs
from eerun.sequence import at_length

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A network in segments, and the data to tune it with.

    Attributes:
        ingested: what was loaded.
        model: the whole graph with all exits, taking raw samples; of a folded network groups of them.
        split: its segments.
        inputs: raw inputs as the bundle declares them.
        splits: the data by split; empty without data.
        split_seed: seed of the function that made them.
        samples: raw samples for checks and measurements, 16 or more and of a folded network more than three groups,
            by input name, at the greatest length.
        reference_error: see `BuildReport`.
        lengths: length buckets of a network with a sequence axis, ascending.
        group_exit: when a group of a folded network leaves.
    """

    ingested: Ingested
    model: ir.Model
    split: Split
    inputs: tuple[InputEntry, ...]
    splits: Mapping[str, Samples]
    split_seed: int
    samples: Mapping[str, Array]
    reference_error: float | None
    lengths: tuple[LengthEntry, ...] = ()
    group_exit: GroupExit = GroupExit.ALL

    @property
    def fold(self) -> int:
        """Images a row of the graphs; 1: the network is not folded."""
        return self.ingested.fold

    def fitted(self, samples: Mapping[str, Array]) -> Mapping[str, Array]:
        """Return samples at the greatest length; as given where lengths are fixed."""
        return _fitted(samples, self.inputs, self.lengths)

    def recordable(self, name: str) -> Samples:
        """Return the samples of a split that are recorded: of a folded network those that fill whole groups.

        Groups are drawn with `split_seed`, so that `eecompile tune` sees the same ones.

        Raises:
            DataError: they do not fill one.
        """
        return dealt_groups(self.splits[name], self.fold, seed=self.split_seed, where=f"split {name!r}")[0]

    def rows(self, samples: Mapping[str, Array]) -> Mapping[str, Array]:
        """Return samples as graphs take them: at the greatest length, of a folded network in groups."""
        return graph_rows(self.fitted(samples), self.fold)


def prepare(path: Path, settings: BuildSettings, stages: Stages) -> Prepared:
    """Load, check and split a model."""
    policy = policy_by_name(settings.policy)
    with stages.stage("load and export"):
        ingested = ingest(path, _ingest_settings(settings))
        inputs = tuple(
            InputEntry(name=i.name, dtype=i.dtype, shape=tuple(i.shape), range=i.range, sequence=i.sequence, pad=i.pad)
            for i in ingested.inputs
        )
        _check_gpus(ingested, settings)
        _check_fold_exit(ingested, settings)
        splits = load_splits(path, settings, inputs)
        for name in ("tune", "test") if splits else ():
            sizes = [int(size) for size in ingested.model.graph.outputs[-1].shape or () if isinstance(size, int)]
            output = sizes if ingested.fold == 1 else sizes[1:]
            check_labels(splits[name].labels, output, source=f"split {name!r}")
        lengths = length_buckets(inputs, splits["tune"].inputs if splits else None, settings)
        samples = _fitted(_samples(splits, inputs, settings.seed, fold=ingested.fold), inputs, lengths)
    cut = cut_network(ingested, samples, policy, inputs=inputs, lengths=lengths, stages=stages)
    return Prepared(
        ingested=ingested,
        model=ingested.model,
        split=cut.split,
        inputs=inputs,
        splits=splits,
        split_seed=settings.seed,
        samples=samples,
        reference_error=cut.reference_error,
        lengths=lengths,
        group_exit=settings.fold_exit,
    )


def _fitted(
    samples: Mapping[str, Array], inputs: tuple[InputEntry, ...], lengths: tuple[LengthEntry, ...]
) -> Mapping[str, Array]:
    return at_length(samples, inputs, lengths[-1].length) if lengths else samples


def _check_gpus(ingested: Ingested, settings: BuildSettings) -> None:
    """Refuse graphs for GPUs of a network that answers every pixel, or whose sequence length is dynamic.

    The exit kernel takes one row of logits a sample, and plans have fixed shapes.

    Raises:
        UserError: with the target.
    """
    if not settings.gpus:
        return
    for refused, why in (
        (ingested.task == "segmentation", "the network answers every pixel"),
        (sequences_of(ingested.inputs), "the network has a dynamic sequence length"),
    ):
        if refused:
            problem = f"{why}, and such networks run on the CPU only"
            raise UserError(f"--target {settings.target}", problem, "Build without --target")


def _check_fold_exit(ingested: Ingested, settings: BuildSettings) -> None:
    """Refuse a rule for groups where there are none.

    Raises:
        UserError: with the flag.
    """
    if ingested.fold == 1 and settings.fold_exit is not GroupExit.ALL:
        problem = f"got {settings.fold_exit}, but the network is not folded: every sample leaves by itself"
        raise UserError("--fold-exit", problem, "Leave it out, or fold the network with --fold")


def load_splits(path: Path, settings: BuildSettings, inputs: tuple[InputEntry, ...]) -> Mapping[str, Samples]:
    """Load the data and check it against the inputs; without any, thresholds must be given by hand."""
    source = settings.data or default_data_path(path)
    if source is None:
        if settings.thresholds is None:
            raise UserError(
                str(path),
                f"no data to tune thresholds with: --data is not given and there is no {path.with_suffix('.npz').name}",
                "Give --data, or thresholds by hand with --thresholds",
            )
        return {}
    data = load_data(source, input_names=[entry.name for entry in inputs])
    splits = make_splits(data, seed=settings.seed)
    check_inputs(splits["calib"].inputs, inputs)
    for name in ("tune", "test"):
        check_inputs(splits[name].inputs, inputs)
        labels = splits[name].labels
        if labels is None and not settings.agreement and settings.thresholds is None:
            raise DataError(
                str(source), f"split {name!r} has no labels", "Add labels, or tune for agreement with --agreement"
            )
    return splits


def _ingest_settings(settings: BuildSettings) -> IngestSettings:
    names = IngestSettings.__dataclass_fields__
    return IngestSettings(**{name: getattr(settings, name) for name in names})


def _samples(
    splits: Mapping[str, Samples], inputs: tuple[InputEntry, ...], seed: int, *, fold: int
) -> Mapping[str, Array]:
    """Real samples where there are data, else random ones."""
    if "tune" in splits and len(splits["tune"]) >= max(CHECK_SAMPLES, PROBE_SAMPLES * fold):
        return splits["tune"].inputs
    return random_inputs(inputs, CHECK_SAMPLES * fold, seed=seed)
