"""A small bundle that tests tune, whose times do not depend on the machine."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from fitted_networks import draw_images

from eecalib.replay import leave_at
from eecalib.trace import Recording, play
from eecompile.stages import Stages
from eecompile.tune import TuneReport, TuneSettings, tune
from eecompile.tune.trace_bundle import TraceSettings, trace_bundle
from eengines.tensors import Array
from eerun.bundle import Bundle, ConfigurationEntry, amend_bundle, open_bundle
from eerun.costs import CostTable
from eerun.measure_costs import MeterSettings, Subject, measure_costs

__all__ = ["SIZES", "TunableBundle", "draw_splits", "steady_measure_costs", "steady_times"]

SIZES = {"calib": 64, "tune": 400, "certify": 500, "test": 300}
"""Samples of each split."""

LAYERS_MS, SEGMENT_MS, WHOLE_MS = 0.6, 0.8, 2.5
"""Of a batch of 16: what all segments take together, what each takes more, and the whole network."""

HEAD_SHARE, ALONE = 0.2, 0.1
"""The share of a head in its segment, and what one sample takes of a batch."""


def draw_splits() -> dict[str, Array]:
    """The arrays of an `.npz` with all splits."""
    found: dict[str, Array] = {}
    for seed, (name, count) in enumerate(SIZES.items()):
        found[f"x_{name}"], found[f"y_{name}"] = draw_images(count, seed=20 + seed)
    return found


def steady_times(costs: CostTable) -> CostTable:
    """The same table with made-up times; INT8 is faster than float32."""
    factor = 0.7 if costs.precision == "int8" else 1.0
    full = factor * (LAYERS_MS / costs.segments + SEGMENT_MS)
    head = HEAD_SHARE * full if costs.head_ms else 0.0
    last = (ALONE * full, full)
    return replace(
        costs,
        segment_ms=(*((ALONE * (full - head), full - head),) * (costs.segments - 1), last),
        whole_ms=(ALONE * factor * WHOLE_MS, factor * WHOLE_MS),
        move_ms=(0.001,) * (costs.segments - 1),
        head_ms=((ALONE * head, head),) * len(costs.head_ms),
    )


def steady_measure_costs(
    subjects: Sequence[Subject],
    samples: Mapping[str, Array],
    settings: MeterSettings,
    progress: Callable[[float], None],
) -> tuple[CostTable, ...]:
    """Measure for real, and put made-up times into the tables."""
    return tuple(steady_times(table) for table in measure_costs(subjects, samples, settings, progress))


@dataclass(frozen=True, kw_only=True)
class TunableBundle:
    """A bundle with its data beside it.

    Attributes:
        path: `net.ee`; `net.onnx` and `net.npz` are beside it.
    """

    path: Path

    @property
    def bundle(self) -> Bundle:
        return open_bundle(self.path)

    @property
    def arrays(self) -> dict[str, Array]:
        with np.load(self.path.with_suffix(".npz")) as file:
            return {name: file[name] for name in file.files}

    def copy(self, folder: Path) -> "TunableBundle":
        """Copy it into a new folder."""
        shutil.copytree(self.path.parent, folder)
        return TunableBundle(path=folder / self.path.name)

    def with_steady_times(self, *names: str) -> "TunableBundle":
        """Keep these configurations alone, the first in front, with made-up times."""
        entries = {entry.name: entry for entry in self.bundle.manifest.configurations}
        costs = {entries[name].costs: steady_times(self.bundle.costs(entries[name])) for name in names}
        amend_bundle(self.path, lambda _: tuple(entries[name] for name in names), costs)
        return self

    def content(self) -> dict[str, bytes]:
        """Every file by path, but the lock."""
        folder = self.path.parent
        files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    def tune(self, stages: Stages, *policies: str, **changes: Any) -> TuneReport:
        """Tune with these policies."""
        given = {"policies": policies, "threads": 2, "measure_seconds": 0.0, "max_drop": 0.02}
        return tune(self.path, TuneSettings(**{**given, **changes}), stages)

    def record(self, stages: Stages, folder: Path, **changes: Any) -> Recording:
        """Record it into a folder."""
        recording, _, _ = trace_bundle(self.path, TraceSettings(output=folder, threads=2, **changes), stages)
        return recording

    def replayed(self, recording: Recording, entry: ConfigurationEntry, split: str) -> dict[str, Array]:
        """What a configuration must answer, by the numpy reference of its policy on what was recorded.

        Returns:
            `labels`, `exit_index`, and `near`: whether a score is so near to a threshold that rounding may decide.
        """
        policy, trace = self.bundle.policy(entry), recording.splits[split].trace
        table = play(policy.make(), trace).table
        index = leave_at(table.scores, policy.thresholds)
        limits = np.array([np.inf if value is None else value for value in policy.thresholds])
        return {
            "labels": table.answers[np.arange(trace.samples), index],
            "exit_index": index,
            "near": (np.abs(table.scores[:, :-1] - limits) < 1e-4).any(axis=1),
        }
