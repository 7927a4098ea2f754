"""Compute the features that frozen training needs, and remove their files afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from eecompile.attach.attached import Attached
from eecompile.stages import Stages
from eecompile.train.arithmetic import Arithmetic
from eecompile.train.feature_plan import FeaturePlan, plan_features
from eecompile.train.feature_set import FeatureSet
from eecompile.train.frozen_trunk import FrozenTrunk
from eecompile.train.sample_reader import SampleReader
from eecompile.train.settings import TrainSettings
from eecompile.train.task import Index

__all__ = ["FrozenFeatures", "frozen_features"]


@dataclass(frozen=True, kw_only=True)
class FrozenFeatures:
    """Features to learn from, and those of the held-out samples."""

    training: FeatureSet
    held: FeatureSet


@contextmanager
def frozen_features(
    attached: Attached,
    reader: SampleReader,
    parts: tuple[Index, Index],
    settings: TrainSettings,
    arithmetic: Arithmetic,
    stages: Stages,
) -> Iterator[FrozenFeatures]:
    """Compute features in one pass over the samples; their files are gone when the context is left, however it is.

    Args:
        attached: the network, on the device of `arithmetic`.
        reader: of the samples.
        parts: `[n]`, which samples to train on, and which are held out.
        settings: views and the bound of the files.
        arithmetic: of the trunk for training. Held-out samples are seen in float32, as a deployed trunk is.
        stages: where progress is shown.

    Raises:
        UserError: the disk has no room for what the bound allows.
    """
    rows, held_rows = parts
    with TemporaryDirectory(prefix="eecompile-features-") as name:
        folder = Path(name)
        with stages.stage("compute features"):
            trunk = FrozenTrunk(attached, reader.inputs(rows[:2], None))
            changes = tuple(reader.draw(view) for view in range(settings.views))
            training = FeatureSet(reader, trunk, rows, changes, arithmetic, stored=arithmetic.stored)
            exact = replace(arithmetic, dtype=torch.float32)
            held = FeatureSet(reader, trunk, held_rows, (None,), exact, stored=torch.float32)
            plan = _plan(training, held, settings.cache_bytes, stages)
            total, done = len(training) * training.copies + len(held), 0

            def advance(samples: int) -> None:
                nonlocal done
                done += samples
                stages.progress(done / total)

            for part, features in (("training", training), ("held", held)):
                (folder / part).mkdir()
                features.keep(plan, folder / part, settings.batch, advance)
        yield FrozenFeatures(training=training, held=held)


def _plan(training: FeatureSet, held: FeatureSet, limit: int, stages: Stages) -> FeaturePlan:
    held_bytes = held.tap_bytes
    tap_bytes = {name: size + held_bytes[name] for name, size in training.tap_bytes.items()}
    answer_bytes = training.answer_bytes + held.answer_bytes
    plan = plan_features(answer_bytes, tap_bytes, limit)
    kept = sum(tap_bytes[name] for name in plan.taps) + (answer_bytes if plan.answer else 0)
    again = ", ".join(plan.streamed) or "nothing"
    stages.detail(f"features of {len(plan.taps)} taps kept, {kept / (1 << 20):,.1f} MiB; computed every epoch: {again}")
    return plan
