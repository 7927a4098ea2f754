"""What is tuned: a configuration of a bundle, its recording, and the samples."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from eecalib.certify import samples_needed
from eecalib.trace import Recording, open_recording
from eecompile.stages import Stages
from eecompile.tune.configuration_to_try import configuration_to_try, configurations_here
from eecompile.tune.load_splits import load_whole_groups
from eecompile.tune.pick import refuse_unusable
from eecompile.tune.record import check_recording, record_bundle
from eecompile.tune.settings import TuneSettings
from eecompile.tune.try_policies import Bench, mac_table
from eecompile.tune.variant import Shape
from eengines.errors import BuildError, UserError
from eerun.bundle import Bundle
from eerun.configuration import HostConfiguration
from eerun.costs import CostTable
from eerun.data import Samples

__all__ = ["Subject", "find_subject"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """What is tuned.

    Attributes:
        way: the configuration that policies are tried on.
        splits: the samples.
        recording: of that configuration, with the right answers for labels.
        agreement: whether these are float32's answers.
        batch: rows of the batches that are expected: samples, or groups of a folded network.
        fastest: the configuration whose whole network takes the least for such a batch.
    """

    way: HostConfiguration
    splits: Mapping[str, Samples]
    recording: Recording
    agreement: bool
    batch: int
    fastest: HostConfiguration

    @property
    def bundle(self) -> Bundle:
        """The bundle as it is."""
        return self.way.bundle

    def bench(self, shape: Shape, costs: CostTable, whole: CostTable, seed: int) -> Bench:
        """What policies are tried on, in some shape, with the costs of the fastest whole network."""
        manifest = self.bundle.manifest
        return Bench(
            recording=self.recording,
            shape=shape,
            costs=costs,
            whole=whole,
            macs=mac_table(manifest, shape),
            names=manifest.exits,
            batch=self.batch,
            seed=seed,
        )


def find_subject(bundle: Bundle, settings: TuneSettings, stages: Stages) -> Subject:
    """Return what is tuned; what cannot be is refused before anything is recorded.

    Args:
        bundle: as it is.
        settings: what the user chose.
        stages: where progress is shown.

    Raises:
        UserError: settings, data or trace cannot be used.
        BuildError: there are too few samples for the promise.
        EngineError: an engine failed.
    """
    refuse_unusable(bundle, settings)
    opened = None if settings.trace is None else open_recording(settings.trace)
    ways = configurations_here(bundle)
    way = configuration_to_try(
        bundle,
        ways,
        engine=settings.engine,
        precision=settings.precision,
        recorded=None if opened is None else opened.configuration,
    )
    costs = way.costs()
    fold, rule = bundle.manifest.images_a_row, settings.fold_exit or way.policy().group_exit
    batch = _rows(settings.batch, fold, costs)
    splits = load_whole_groups(bundle, settings.data, stages)
    _refuse_few(splits, settings, fold)
    recording = opened or record_bundle(way, splits, stages, threads=settings.threads)
    check_recording(recording, way, splits)
    agreement = settings.agreement or any(samples.labels is None for samples in splits.values())
    agreed = {name: split.against(agreement=agreement).under(rule) for name, split in recording.splits.items()}
    return Subject(
        way=way,
        splits=splits,
        recording=replace(recording, splits=agreed),
        agreement=agreement,
        batch=batch,
        fastest=min(ways, key=lambda each: each.costs().of_whole().run_ms(0, batch)),
    )


def _rows(images: int | None, fold: int, costs: CostTable) -> int:
    """The batch size in rows.

    Raises:
        UserError: images do not fill the groups of a folded network, or the costs of so many are not known.
    """
    if images is None:
        return costs.max_batch
    if images % fold:
        raise UserError("--batch", f"got {images} images for groups of {fold}", f"Give a multiple of {fold}")
    if images > fold * costs.max_batch:
        raise UserError("--batch", f"got {images}, the bundle was measured up to {fold * costs.max_batch}", "Give less")
    return images // fold


def _refuse_few(splits: Mapping[str, Samples], settings: TuneSettings, fold: int) -> None:
    """Refuse a promise that so many samples do not show, whatever they answer; groups of them are independent."""
    if settings.certify is None:
        return
    got = len(splits["certify"]) if "certify" in splits else 0
    least = fold * samples_needed(settings.certify, settings.confidence, settings.certify_method)
    if got < least:
        raise BuildError(
            f"--certify {settings.certify:.2%}",
            f"got {got} certify samples, at least {least} are needed for a confidence of {settings.confidence:.3g}, "
            "even if none is lost",
            "Give more certify samples, allow more, or leave --certify out",
        )
