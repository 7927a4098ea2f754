"""A network with one class a pixel: policies for maps, and no others."""

import numpy as np
import pytest
from dense_networks import save_dense
from silent_stages import SilentStages
from tunable_bundles import TunableBundle

import eerun
from eecalib.trace import MapTrace, open_recording
from eecalib.tuning.tuners import MAP_TUNERS
from eecompile.build import BuildSettings, build
from eengines.errors import UserError
from eerun.data import load_data, make_splits


@pytest.fixture(scope="module")
def maps(tmp_path_factory) -> TunableBundle:
    """A bundle in float32."""
    model = save_dense(tmp_path_factory.mktemp("maps"))
    settings = BuildSettings(
        factory="dense_networks:make_dense",
        threads=2,
        max_batch=16,
        buckets=(1, 16),
        measure_seconds=0.0,
        precision="float32",
        max_drop=0.02,
    )
    build(model, settings, SilentStages())
    return TunableBundle(path=model.with_suffix(".ee")).with_steady_times("onnxruntime-float32")


def test_pixel_count_runs_as_it_was_recorded(maps, stages, tmp_path):
    copy = maps.copy(tmp_path / "copy")
    recording = copy.record(stages, tmp_path / "trace")
    opened = open_recording(tmp_path / "trace")
    trace, again = recording.splits["test"].trace, opened.splits["test"].trace
    assert isinstance(again, MapTrace)
    assert again.policies == trace.policies
    assert again.ignored == trace.ignored
    assert np.array_equal(again.scores, trace.scores)
    assert np.array_equal(again.answers, trace.answers)
    report = copy.tune(stages, "pixel-count", trace=tmp_path / "trace")
    assert report.chosen == "pixel-count"
    policy = copy.bundle.policy(copy.bundle.manifest.chosen)
    assert (policy.policy, len(policy.parameters["level"])) == ("pixel-count", 2)
    expected = copy.replayed(recording, copy.bundle.manifest.chosen, "test")
    data = load_data(str(copy.path.with_suffix(".npz")), input_names=["x"])
    test = make_splits(data, seed=copy.bundle.manifest.split_seed)["test"]
    result = eerun.load(copy.path, threads=2).infer(test.inputs["x"])
    sure = ~expected["near"]
    assert sure.mean() > 0.9
    assert len(set(expected["exit_index"].tolist())) > 1
    assert np.array_equal(result.exit_index[sure], expected["exit_index"][sure])
    assert (result.labels[sure] == expected["labels"][sure]).mean() > 0.999


def test_every_policy_for_maps_is_tried(maps, stages):
    report = maps.tune(stages, "all", dry_run=True)
    assert {each.name for each in report.policies} == set(MAP_TUNERS)
    assert all(each.tune.drop <= 0.02 for each in report.policies)
    assert all(each.tune.agreement <= 1 for each in report.policies)


def test_exits_of_maps_can_be_dropped_and_a_promise_made(maps, stages):
    report = maps.tune(
        stages, "max-probability", select_exits=True, certify=0.1, confidence=0.9, max_drop=0.04, dry_run=True
    )
    assert len(report.policies[0].exits) == 2
    assert report.certificate.bound <= 0.1


def test_a_policy_for_one_answer_a_sample_is_refused(maps, stages):
    with pytest.raises(UserError, match="--policy: got 'gati', which is no policy for a network that answers every"):
        maps.tune(stages, "gati")
