"""Every segment of the digits example, and its whole network, builds with TensorRT for RTX, which needs no GPU."""

import pytest
from required import require_rtx

from eecompile.build import BuildSettings, build
from eecompile.cli.stages import ConsoleStages
from eengines.backends import find_device_backend
from eengines.device_engine import PlanOptions
from eerun.bundle import open_bundle

require_rtx()

CARDS = {"sm_75": (7, 5), "sm_89": (8, 9)}
PRECISIONS = ("float32", "float16", "int8")


@pytest.fixture(scope="session")
def graphs_for_tensorrt(digits_folder, tmp_path_factory):
    """The bundle that `eecompile build model.pt --target t4` makes, in every precision of that card."""
    path = tmp_path_factory.mktemp("rtx") / "model.ee"
    settings = BuildSettings(
        output=path,
        engine="onnxruntime",
        target="t4",
        max_quant_drop=0.02,
        max_batch=16,
        buckets=(1, 16),
        measure_seconds=0.0,
        threads=2,
    )
    with ConsoleStages(verbose=False) as stages:
        build(digits_folder / "model.pt", settings, stages)
    return open_bundle(path)


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_segments_and_whole_network_build(graphs_for_tensorrt, precision, card):
    backend, options = find_device_backend("tensorrt_rtx"), PlanOptions(buckets=(1, 16), compute_capability=CARDS[card])
    (entry,) = [each for each in graphs_for_tensorrt.manifest.targets if each.precision == precision]
    assert len(entry.segments) == 3
    for file in (*entry.segments, entry.whole):
        plan = backend.build(graphs_for_tensorrt.read(file), options, lambda _: None)
        assert len(plan.content) > 1000
        assert all("float32 product" in note for note in plan.notes), "no layer lost its INT8"
        assert plan.notes == () or card == "sm_75"
