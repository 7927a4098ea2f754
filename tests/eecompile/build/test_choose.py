"""The fastest configuration that keeps the bound and that the user accepts."""

from dataclasses import replace

import pytest

from eecompile.build.choose import choose
from eecompile.build.settings import BuildSettings
from eengines.errors import BuildError

FLOAT32, INT8 = ("onnxruntime", "float32"), ("onnxruntime", "int8")
OPENVINO = ("openvino", "float32")


@pytest.fixture
def trial(built):
    """A real trial with another time and other agreement: `(engine, precision), ms, agreement, kept`."""
    by_name = {(t.candidate.engine, t.candidate.precision): t for t in built.trials}

    def make(name, milliseconds, agreement=1.0, kept=1.0):
        found = by_name[name]
        tuned = replace(found.tuned, tune=replace(found.tuned.tune, expected_ms=milliseconds))
        return replace(found, tuned=tuned, agreement=(0.0, 0.5, agreement), answers_kept=kept)

    return make


def names(trials):
    return [(t.candidate.engine, t.candidate.precision) for t in trials]


def test_the_fastest_that_keeps_the_bound_is_first_then_by_time(trial, stages):
    trials = [trial(FLOAT32, 5.0), trial(INT8, 1.0), trial(OPENVINO, 3.0)]
    chosen = choose(trials, (), BuildSettings(), stages)
    assert names(chosen.kept) == [INT8, OPENVINO, FLOAT32]
    assert chosen.dropped == ()
    assert "chosen: onnxruntime int8, 1.00 ms a batch of 16" in stages.details


@pytest.mark.parametrize(("agreement", "kept"), [(0.98, 1.0), (1.0, 0.98)])
def test_faster_but_beyond_the_bound_is_dropped_with_the_reason(trial, stages, agreement, kept):
    trials = [trial(FLOAT32, 5.0), trial(INT8, 1.0, agreement, kept)]
    chosen = choose(trials, (), BuildSettings(max_quant_drop=0.01), stages)
    assert names(chosen.kept) == [FLOAT32]
    assert names(chosen.dropped) == [INT8]
    assert any("onnxruntime int8 answers" in d and "2.00%" in d and d.endswith("not kept") for d in stages.details)
    allowed = choose(trials, (), BuildSettings(max_quant_drop=0.02), stages)
    assert names(allowed.kept) == [INT8, FLOAT32]


def test_the_bound_itself_is_kept(trial, stages):
    trials = [trial(FLOAT32, 5.0), trial(INT8, 1.0, 0.75, 0.75)]
    assert names(choose(trials, (), BuildSettings(max_quant_drop=0.25), stages).kept) == [INT8, FLOAT32]


@pytest.mark.parametrize(
    ("settings", "first"),
    [
        ({"engine": "openvino"}, OPENVINO),
        ({"precision": "float32"}, OPENVINO),
        ({"precision": "float32", "engine": "onnxruntime"}, FLOAT32),
        ({"int8": True}, INT8),
        ({"int8": True, "target": "t4"}, INT8),
    ],
)
def test_by_hand(trial, stages, settings, first):
    trials = [trial(FLOAT32, 5.0), trial(INT8, 1.0), trial(OPENVINO, 3.0)]
    chosen = choose(trials, (), BuildSettings(**settings), stages)
    assert names(chosen.kept)[0] == first
    assert sorted(names(chosen.kept)) == sorted([FLOAT32, INT8, OPENVINO])


def test_slow_by_hand_goes_before_fast_others(trial, stages):
    trials = [trial(FLOAT32, 5.0), trial(INT8, 1.0), trial(OPENVINO, 3.0)]
    chosen = choose(trials, (), BuildSettings(precision="float32", engine="onnxruntime"), stages)
    assert names(chosen.kept) == [FLOAT32, INT8, OPENVINO]


def test_nothing_that_the_user_accepts_keeps_the_bound(trial, stages):
    trials = [trial(FLOAT32, 5.0), trial(INT8, 1.0, 0.9, 0.95)]
    with pytest.raises(BuildError, match=r"10.00% of the tune samples otherwise than float32 at the final exit") as e:
        choose(trials, (), BuildSettings(int8=True), stages)
    assert e.value.where == "--engine auto --precision int8"
    assert "5.00% where they leave, allowed are 1.00%" in e.value.problem
    assert "--max-quant-drop" in e.value.remedy
    assert "--keep-float" in e.value.remedy


def test_nothing_that_the_user_accepts_could_be_run(trial, stages):
    with pytest.raises(BuildError, match="nothing of it could be run, see the warnings above"):
        choose([trial(FLOAT32, 5.0)], (), BuildSettings(int8=True), stages)


def test_without_data_only_float32_and_what_the_user_names_are_kept(trial, stages):
    trials = [replace(t, agreement=None, answers_kept=None) for t in (trial(FLOAT32, 5.0), trial(INT8, 1.0))]
    assert names(choose(trials, (), BuildSettings(), stages).kept) == [FLOAT32]
    assert names(choose(trials, (), BuildSettings(precision="int8"), stages).kept) == [INT8, FLOAT32]


def test_trials_of_a_real_build(built):
    assert names(built.trials)[0] == FLOAT32
    assert built.trials[0].agreement == (1.0, 1.0, 1.0)
    assert built.trials[0].answers_kept == 1.0
    assert len(set(names(built.trials))) == len(built.trials) >= 3
    for trial_ in built.trials:
        assert trial_.costs.engine == trial_.candidate.engine
        assert trial_.costs.precision == trial_.candidate.precision
        assert 0.95 < trial_.agreement[-1] <= 1
