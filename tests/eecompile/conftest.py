"""Small networks on disk, builds of them stage by stage, and finished bundles; each is made once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from fitted_networks import MEAN, SCALE, FittedNetwork, draw_images
from tunable_bundles import TunableBundle, draw_splits

from eecompile.build.build import build
from eecompile.build.candidates import Candidate, find_candidates
from eecompile.build.float32_chain import Float32Chain, run_float32
from eecompile.build.int8_source import int8_source
from eecompile.build.lower_graphs import Lowering
from eecompile.build.prepare import Prepared, prepare
from eecompile.build.report import BuildReport
from eecompile.build.settings import BuildSettings
from eecompile.build.trial import Trial
from eecompile.build.trials import run_trials
from eengines.engine import Backend
from eerun.bundle import open_bundle

SAMPLES = 1400


class RecordedStages:
    """Keeps what a build tells."""

    def __init__(self) -> None:
        self.titles: list[str] = []
        self.notes: list[str] = []
        self.details: list[str] = []
        self.warnings: list[str] = []
        self.shares: list[float] = []

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        self.titles.append(title)
        yield

    def progress(self, share: float) -> None:
        self.shares.append(share)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def detail(self, text: str) -> None:
        self.details.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A network on disk with its data beside it.

    Attributes:
        path: `net.onnx`; `net.npz` is beside it.
        settings: what a build of it needs to know, small and fast.
    """

    path: Path
    settings: BuildSettings

    def build(self, stages: RecordedStages, **changes: Any) -> BuildReport:
        """Build with other settings."""
        return build(self.path, replace(self.settings, **changes), stages)


@dataclass(frozen=True, kw_only=True)
class Built:
    """Everything that the stages of one build made."""

    prepared: Prepared
    settings: BuildSettings
    candidates: dict[Candidate, Backend]
    float32: Float32Chain
    source: Lowering
    trials: tuple[Trial, ...]


@pytest.fixture
def stages() -> RecordedStages:
    """Fresh stages."""
    return RecordedStages()


@pytest.fixture(scope="session")
def images():
    """Draw images and labels: `(count, seed)`."""
    return draw_images


@pytest.fixture(scope="session")
def fitted(tmp_path_factory):
    """Write a network and its data: `(**network)`; `arrays` are the data if not the usual."""

    def make(*, arrays: dict[str, np.ndarray] | None = None, dtype: str = "uint8", **network: Any) -> Fitted:
        folder = tmp_path_factory.mktemp("fitted")
        maker = FittedNetwork(**network)
        maker.fit()
        onnx.save(maker.model(), folder / "net.onnx")
        if arrays is None:
            x, y = draw_images(SAMPLES, seed=2)
            arrays = {"x": x, "y": y}
        np.savez(folder / "net.npz", **arrays)
        raw = {"input_dtype": "uint8", "scale": SCALE, "mean": (MEAN,), "std": (1.0,)} if dtype == "uint8" else {}
        settings = BuildSettings(threads=2, max_batch=16, buckets=(1, 16), measure_seconds=0.0, **raw)
        return Fitted(path=folder / "net.onnx", settings=settings)

    return make


@pytest.fixture(scope="session")
def plain(fitted) -> Fitted:
    """The usual network."""
    return fitted()


@pytest.fixture(scope="session")
def built(plain) -> Built:
    """The usual network, built for every engine and precision that is here; nothing is written."""
    settings, stages = plain.settings, RecordedStages()
    prepared = prepare(plain.path, settings, stages)
    candidates, _ = find_candidates(settings, calibrated=True)
    source = Lowering(split=prepared.split, ranges=None, keep_float=frozenset())
    float32 = run_float32(prepared, source, settings, stages)
    source = int8_source(prepared, float32, source, settings, stages)
    trials = run_trials(prepared, source, float32, candidates, settings, stages)
    return Built(
        prepared=prepared, settings=settings, candidates=candidates, float32=float32, source=source, trials=trials
    )


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A bundle, and what its build said.

    Attributes:
        path: the bundle; a new folder.
        report: what was measured.
        stages: titles, details and warnings.
    """

    path: Path
    report: BuildReport
    stages: RecordedStages

    def segments(self, way: str) -> list[onnx.GraphProto]:
        """The graphs of a configuration (`openvino-int8`) or of a target (`t4-int8`)."""
        manifest = open_bundle(self.path).manifest
        named = {entry.name: entry.segments for entry in manifest.configurations}
        named |= {f"{entry.target}-{entry.precision}": entry.segments for entry in manifest.targets}
        return [onnx.load(self.path / file).graph for file in named[way]]


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Build a network into a new folder: `(fitted, **settings)`."""

    def make(network: Fitted, **changes: Any) -> Finished:
        path, stages = tmp_path_factory.mktemp("bundle") / "net.ee", RecordedStages()
        report = network.build(stages, output=path, **changes)
        return Finished(path=path, report=report, stages=stages)

    return make


@pytest.fixture(scope="session")
def every_precision_for_t4(plain, finished) -> Finished:
    """The usual network in every precision that a T4 has."""
    return finished(plain, target="t4", engine="onnxruntime")


@pytest.fixture(scope="session")
def for_t4(plain, finished) -> Finished:
    """The usual network with INT8 for a T4."""
    return finished(plain, int8=True, target="t4")


@pytest.fixture(scope="session")
def tunable(fitted) -> TunableBundle:
    """The usual network in INT8 and float32, with more data, and times that do not depend on the machine."""
    network = fitted(arrays=draw_splits())
    network.build(RecordedStages(), max_drop=0.02)
    made = TunableBundle(path=network.path.with_suffix(".ee"))
    return made.with_steady_times("onnxruntime-int8", "onnxruntime-float32")
