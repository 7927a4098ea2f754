"""Heads as graphs of their own: where a policy skips exits, or where the user wants them, and back again."""

import numpy as np
import pytest
from silent_stages import SilentStages

import eerun
from eecompile.refresh import RefreshSettings, refresh
from eengines.errors import UserError


@pytest.fixture(scope="module")
def apart(tunable, trace, tmp_path_factory, steady_costs):
    """A bundle that skips exits, and what was reported."""
    copy = tunable.copy(tmp_path_factory.mktemp("apart") / "copy")
    return copy, copy.tune(SilentStages(), "predictive-exit-published", trace=trace)


def answers(bundle, precision="int8"):
    """Of the *test* samples."""
    model = eerun.load(bundle.path, engine="onnxruntime", precision=precision, threads=2)
    return model.infer(bundle.arrays["x_test"])


def check_replay(bundle, recordings, name):
    """The bundle answers as its policy says of what the exits said before."""
    entry = next(each for each in bundle.bundle.manifest.configurations if each.name == name)
    expected, result = bundle.replayed(recordings[name], entry, "test"), answers(bundle, entry.precision)
    sure = ~expected["near"]
    assert sure.mean() > 0.9
    assert np.array_equal(result.exit_index[sure], expected["exit_index"][sure])
    assert np.array_equal(result.labels[sure], expected["labels"][sure])


def test_a_policy_that_skips_exits_has_its_heads_apart(apart, tunable):
    copy, report = apart
    bundle = copy.bundle
    bundle.verify_files()
    assert report.policies[0].heads_apart
    for entry in bundle.manifest.configurations:
        assert len(entry.segments) == 3
        assert len(entry.heads) == 2
        assert {*entry.heads} <= {*bundle.manifest.files}
        costs = bundle.costs(entry)
        assert len(costs.head_ms) == 2
        assert all(value > 0 for row in costs.head_ms for value in row)
        assert bundle.policy(entry).policy == "predictive-exit"
    before = next(e for e in tunable.bundle.manifest.configurations if e.name == bundle.manifest.chosen.name)
    old = sum(len(tunable.bundle.read(file)) for file in before.segments)
    new = sum(len(bundle.read(file)) for file in bundle.manifest.chosen.segments)
    assert new < old


@pytest.mark.parametrize("name", ["onnxruntime-int8", "onnxruntime-float32"])
def test_it_answers_as_the_policy_says(apart, recordings, name):
    check_replay(apart[0], recordings, name)


def test_heads_of_samples_that_are_not_due_do_not_run(apart):
    early = [step for batch in answers(apart[0]).steps for step in batch if step.tested is not None]
    tested = sum(step.tested for step in early)
    assert 0 < tested < sum(step.entered for step in early)


def test_its_recording_is_that_of_the_bundle_before(apart, recordings, tmp_path):
    copy, _ = apart
    again = copy.record(SilentStages(), tmp_path / "again", engine="onnxruntime", precision="int8")
    before = recordings["onnxruntime-int8"].splits["test"].trace
    assert np.allclose(again.splits["test"].trace.logits, before.logits, atol=1e-4)


def test_a_refresh_of_it_is_refused(apart):
    copy, _ = apart
    with pytest.raises(UserError, match=r"(?s)its heads are graphs of their own.*--no-split-heads"):
        refresh(copy.path, RefreshSettings(data=str(copy.path.with_suffix(".npz"))), SilentStages())


@pytest.mark.parametrize("changes", [{}, {"split_heads": False}], ids=["another policy", "--no-split-heads"])
def test_heads_go_back_into_their_segments(apart, tunable, recordings, stages, tmp_path, changes):
    copy = apart[0].copy(tmp_path / "copy")
    copy.tune(stages, "margin", **changes)
    bundle = copy.bundle
    assert all(entry.heads == () for entry in bundle.manifest.configurations)
    assert not [name for name in bundle.manifest.files if "head-" in name]
    assert all(bundle.costs(entry).head_ms == () for entry in bundle.manifest.configurations)
    check_replay(copy, recordings, "onnxruntime-int8")
    x = tunable.arrays["x_test"][:40]
    new, old = (
        eerun.load(each.path, engine="onnxruntime", precision="float32", threads=2).infer(x, exits=False)
        for each in (copy, tunable)
    )
    assert np.allclose(new.outputs, old.outputs, atol=1e-5)


def test_the_user_may_want_heads_apart_with_any_policy(copied, trace, recordings, stages):
    report = copied.tune(stages, "max-probability", trace=trace, split_heads=True)
    assert report.policies[0].heads_apart
    assert all(len(entry.heads) == 2 for entry in copied.bundle.manifest.configurations)
    check_replay(copied, recordings, "onnxruntime-int8")


def test_or_heads_in_their_segments_with_a_policy_that_skips(copied, trace, recordings, stages):
    report = copied.tune(stages, "predictive-exit-published", trace=trace, split_heads=False)
    assert not report.policies[0].heads_apart
    assert all(entry.heads == () for entry in copied.bundle.manifest.configurations)
    check_replay(copied, recordings, "onnxruntime-int8")
