"""Copies of a small bundle, with and without labels, that tests tune."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from silent_stages import SilentStages
from tunable_bundles import TunableBundle, draw_splits, steady_measure_costs

from eecalib.trace import Recording


@pytest.fixture(autouse=True, scope="module")
def steady_costs() -> Iterator[None]:
    """Graphs that change are measured, but what is searched does not depend on the times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("eecompile.tune.variant.measure_costs", steady_measure_costs)
        yield


@pytest.fixture
def copied(tunable, tmp_path) -> TunableBundle:
    """A bundle that a test may change."""
    return tunable.copy(tmp_path / "copied")


@pytest.fixture(scope="session")
def trace(tunable, tmp_path_factory) -> Path:
    """A recording of the bundle's INT8 configuration, which has the fastest chain."""
    folder = tmp_path_factory.mktemp("traces") / "int8"
    tunable.record(SilentStages(), folder)
    return folder


@pytest.fixture(scope="session")
def recordings(tunable, tmp_path_factory) -> dict[str, Recording]:
    """What the exits say in every configuration of the bundle as it was built."""
    folder = tmp_path_factory.mktemp("recordings")
    return {
        entry.name: tunable.record(SilentStages(), folder / entry.name, engine=entry.engine, precision=entry.precision)
        for entry in tunable.bundle.manifest.configurations
    }


@pytest.fixture(scope="session")
def unlabelled(fitted, tmp_path_factory) -> TunableBundle:
    """A bundle of data without labels."""
    arrays = {name: array for name, array in draw_splits().items() if name.startswith("x_")}
    network = fitted(arrays=arrays)
    network.build(SilentStages(), agreement=True)
    return TunableBundle(path=network.path.with_suffix(".ee")).with_steady_times("onnxruntime-float32")
