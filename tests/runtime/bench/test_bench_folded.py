"""A bench run of a folded bundle, with and without the same network unfolded; counts are checked, times are not."""

import csv
import json
import logging
import shutil
from dataclasses import replace
from io import StringIO
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eerun
from eengines.errors import UserError
from eerun.bench import BenchResult, BenchSettings, csv_table, heats, json_report, run_bench, text_report
from eerun.bench.batches import batches_of
from eerun.bench.best_groups import best_groups, groups_ms
from eerun.bench.statistics import Estimate
from eerun.bench.verdict import verdict
from eerun.bundle import open_bundle, rewrite_bundle
from eerun.choose_configuration import choose_configuration
from eerun.costs import CostTable
from eerun.data import load_data, make_splits
from eerun.folding import GroupExit, Grouping, leave_in_groups

FOLD, BATCH = 4, 8

Ratio = tuple[float, float, float]


def settings(bundle: Path, **changes: object) -> BenchSettings:
    return replace(BenchSettings(bundle=bundle, batch=BATCH, duration_s=0.1, warm_up_ms=0.0, threads=2), **changes)


def run(bundle: Path, **changes: object) -> BenchResult:
    return run_bench(settings(bundle, **changes), lambda _: None)


@pytest.fixture(scope="module")
def both(folded_bundle) -> BenchResult:
    return run(folded_bundle.path)


@pytest.fixture(scope="module")
def alone(folded_bundle) -> BenchResult:
    return run(folded_bundle.path, batch=10, no_unfolded=True, grouping=Grouping.EASY)


def test_images_are_counted(both, folded_bundle):
    test = make_splits(load_data(folded_bundle.data, input_names=["x"]), seed=0)["test"]
    assert both.subject.fold == FOLD
    assert both.quality.samples == len(test)
    assert both.chain.samples == both.chain.batches * BATCH >= len(test)
    assert sum(exit_.share for exit_ in both.exits) == pytest.approx(1)
    whole = eerun.load(folded_bundle.unfolded, threads=2).infer(test.inputs, exits=False)
    chain = eerun.load(folded_bundle.unfolded, threads=2).infer(test.inputs)
    found = both.folding.unfolded
    assert found.accuracy == pytest.approx((chain.labels == test.labels).mean())
    assert both.baselines[found.whole].accuracy == pytest.approx((whole.labels == test.labels).mean())


def test_rows_are_groups(both):
    folding, (first, last) = both.folding, both.segments
    assert (folding.factor, folding.widths, folding.group_exit, folding.grouping) == (4, "exact", "all", "arrival")
    assert folding.groups == BATCH // FOLD == first.rows_in
    assert first.survivors_out == pytest.approx(last.survivors_in * last.reached)
    assert sum(folding.left) == pytest.approx(1) == sum(folding.left_at_best)
    assert folding.left[0] == pytest.approx(1 - first.survivors_out / first.survivors_in)
    assert folding.left[0] <= folding.left_at_best[0] <= both.exits[0].share + 1e-9
    assert both.costs.buckets == (1, 2)
    macs = [trial.chain_macs_per_sample * FOLD for trial in both.trials]
    assert all(both.subject.macs[0] <= value <= sum(both.subject.macs) + 1e-6 for value in macs)
    assert both.quality.agreement_exits_off == 1.0


def test_the_unfolded_network_takes_turns(both):
    unfolded = both.folding.unfolded
    assert unfolded.bundle == "net-unfolded.ee"
    assert set(both.baselines) == {"onnxruntime-float32", "unfolded-onnxruntime-float32"} == set(both.heat_ms)
    assert (unfolded.whole, unfolded.folded_whole) == ("unfolded-onnxruntime-float32", "onnxruntime-float32")
    assert [baseline.unfolded for baseline in both.baselines.values()] == [False, True]
    assert unfolded.chain.batches == both.chain.batches
    assert both.own == "onnxruntime-float32"
    totals = {name: baseline.speed.total_s for name, baseline in both.baselines.items()}
    assert both.fastest == min(totals, key=totals.__getitem__)
    ratio = totals[unfolded.whole] / totals[unfolded.folded_whole]
    assert unfolded.whole_by_whole.totals.value == pytest.approx(ratio)
    assert unfolded.chain_by_chain.totals.value == pytest.approx(unfolded.chain.total_s / both.chain.total_s)
    assert unfolded.chain_by_whole.totals.value == pytest.approx(totals[unfolded.whole] / both.chain.total_s)


def test_csv_has_the_fold_factor(both):
    rows = list(csv.DictReader(StringIO(csv_table(both))))
    first = [row for row in rows if row["Trial"] == "1"]
    assert [row["Fold"] for row in first] == ["4", "1", "4", "1"]
    assert [row["Mode"] for row in first][:2] == ["early-exit", "early-exit"]
    assert sorted(row["Mode"] for row in first[2:]) == ["whole", "whole-onnxruntime-float32"]
    seconds = both.trials[0].samples / float(first[0]["Throughput"])
    assert seconds == pytest.approx(both.trials[0].chain_s, rel=1e-2)
    flops = {row["Fold"]: float(row["FLOPs/sec"]) / float(row["Throughput"]) for row in first[2:]}
    assert flops["4"] == pytest.approx(2 * both.subject.whole_macs / FOLD, rel=1e-3)
    assert flops["1"] == pytest.approx(2 * both.folding.unfolded.whole_macs, rel=1e-3)


def test_text_and_json_say_it(both, alone):
    text, record = text_report(both), json.loads(json_report(both))
    assert "=== Folding ===\nFold factor 4, widths exact: 8 images a batch are 2 groups\nGroup exit all:" in text
    assert "\nunfolded chain with exits, onnxruntime float32 " in text
    assert "segment to  reached  groups in" in text
    for words in ("chain by chain", "chain by whole", "whole by whole"):
        assert f"\nFolding, {words}: " in text
    assert " of the groups must leave there" in text or "Break-even: none" in text
    assert record["folding"]["unfolded"]["chain_by_chain"]["median"]["low"] > 0
    assert record["folding"]["factor"] == 4
    text = text_report(alone)
    assert "* Whether folding pays is not known: give the bundle of the same network unfolded with --unfolded" in text
    assert "Grouping easy: likely-easy images" in text


def test_batches_that_do_not_fill_their_groups(alone):
    assert alone.folding.unfolded is None
    assert alone.folding.groups == 3
    assert [*alone.baselines] == ["onnxruntime-float32"]
    assert any(warning.startswith("A batch of 10 does not fill its last group of 4") for warning in alone.warnings)
    assert not any("eecompile verify" in warning for warning in alone.warnings), "partners differ, graphs do not"


def lines_on_folding(result: BenchResult, chain: Ratio, whole: Ratio) -> list[str]:
    """What is said of whether folding pays where these are the ratios of the folded chain: value, low, high."""
    unfolded, changes = result.folding.unfolded, {}
    for name, (value, low, high) in (("chain_by_chain", chain), ("chain_by_whole", whole)):
        median = Estimate(value=value, low=low, high=high)
        changes[name] = replace(getattr(unfolded, name), median=median)
    other = replace(result, folding=replace(result.folding, unfolded=replace(unfolded, **changes)))
    return [line for line in verdict(other) if line.startswith("*") and "folding" in line and "exits" not in line]


def test_whether_folding_pays(both):
    gain, loss, open_ = (1.2, 1.1, 1.3), (0.8, 0.7, 0.9), (1.77, 0.8, 2.5)
    uncertain = (
        "* it is not certain that folding pays against the unfolded whole network (1.77x, interval 0.80-2.50): "
        "the interval reaches below 1"
    )
    certain = "* folding does not pay here: the unfolded chain (0.80x) against the folded chain: run net-unfolded.ee"
    assert lines_on_folding(both, gain, gain) == []
    assert lines_on_folding(both, loss, gain) == [certain]
    assert lines_on_folding(both, gain, open_) == [uncertain]
    assert lines_on_folding(both, loss, open_) == [certain, uncertain], "one certain loser makes no other certain"
    (line,) = lines_on_folding(both, loss, loss)
    assert "the unfolded chain (0.80x) and the unfolded whole network (0.80x) against the folded chain" in line


def test_either_grouping_takes_turns(both, alone, folded_bundle):
    for result in (both, alone):
        found, mine = result.folding.groupings, result.folding.grouping
        own, (name, other) = getattr(found, mine), found.other_than(mine)
        assert {name, mine} == {"arrival", "easy"}
        assert own.speed == result.chain
        assert (own.left, own.accuracy) == (result.folding.left, result.quality.accuracy)
        assert other.speed.batches == own.speed.batches
        assert sum(other.left) == pytest.approx(1)
        totals = found.arrival.speed.total_s / found.easy.speed.total_s
        assert found.easy_by_arrival.totals.value == pytest.approx(totals)
        text = text_report(result)
        assert "\nGrouping, easy by arrival: " in text
        assert f"\nchain with exits, grouping {name} " in text
        record = json.loads(json_report(result))["folding"]["groupings"]
        assert record["easy"]["accuracy"] == found.easy.accuracy
    test = make_splits(load_data(folded_bundle.data, input_names=["x"]), seed=0)["test"]
    order = np.concatenate(list(islice(batches_of(len(test), BATCH, seed=0), len(test) // BATCH)))
    easy = eerun.load(folded_bundle.path, threads=2, grouping="easy")
    right = [easy.infer(test.inputs["x"][i]).labels == test.labels[i] for i in order.reshape(-1, BATCH)]
    seen = len(order) / len(test)
    assert abs(both.folding.groupings.easy.accuracy - np.mean(right)) <= 1 - seen + 1e-9


@pytest.mark.parametrize("rule", list(GroupExit))
def test_one_group_a_batch_cannot_be_grouped_otherwise(folded_bundle, tmp_path, rule):
    place = Path(shutil.copytree(folded_bundle.path, tmp_path / "net.ee"))
    bundle = open_bundle(place)
    policy = replace(bundle.policy(bundle.manifest.chosen), group_exit=rule)
    rewrite_bundle(place, lambda old: old, {"policy/policy.json": policy})
    result = run(place, batch=FOLD, data=str(folded_bundle.data))
    folding = result.folding
    assert folding.group_exit == rule
    assert folding.groupings is None
    assert folding.left_at_best == pytest.approx(folding.left)
    assert folding.oracle_ms_at_best == pytest.approx(result.oracle_ms)


@pytest.mark.parametrize("batch", [6, 8, 30])
def test_what_happened_is_never_better_than_what_is_best(folded_bundle, batch):
    result = run(folded_bundle.path, batch=batch, no_unfolded=True, duration_s=0.0)
    folding = result.folding
    assert folding.left[0] <= folding.left_at_best[0] + 1e-9
    assert folding.oracle_ms_at_best <= result.oracle_ms + 1e-9


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"classes": ("a", "b", "c", "d")}, r"got classes \('a', 'b', 'c', 'd'\), the folded bundle has None"),
        ({"inputs": "other"}, "got inputs"),
    ],
)
def test_an_unfolded_bundle_of_something_else_is_refused(folded_bundle, tmp_path, change, words):
    other = Path(shutil.copytree(folded_bundle.unfolded, tmp_path / "other.ee"))

    def changed(manifest):
        (entry,) = manifest.inputs
        inputs = (replace(entry, range=(0.0, 1.0)),) if "inputs" in change else manifest.inputs
        return replace(manifest, **{**change, "inputs": inputs})

    rewrite_bundle(other, changed, {})
    with pytest.raises(UserError, match=words):
        run(folded_bundle.path, unfolded=other)


def test_a_comparison_that_makes_no_sense_is_refused(folded_bundle):
    with pytest.raises(UserError, match="it is itself folded, by 4"):
        run(folded_bundle.path, unfolded=folded_bundle.path)
    with pytest.raises(UserError, match=r"net-unfolded\.ee is not folded"):
        run(folded_bundle.unfolded, data=str(folded_bundle.data), unfolded=folded_bundle.unfolded)
    with pytest.raises(UserError, match="together with --no-unfolded"):
        settings(folded_bundle.path, unfolded=folded_bundle.unfolded, no_unfolded=True)


def test_an_unfolded_bundle_of_other_data_is_noticed(folded_bundle, tmp_path):
    other = Path(shutil.copytree(folded_bundle.unfolded, tmp_path / "other.ee"))
    rewrite_bundle(other, lambda old: replace(old, splits={}), {})
    found = run(folded_bundle.path, unfolded=other, duration_s=0.0)
    assert any("The unfolded bundle other.ee was not built with this test split" in line for line in found.warnings)


EXITS = st.lists(st.integers(0, 3), min_size=1, max_size=20)
FOLDS, RULES = st.sampled_from([2, 3, 4, 8]), st.sampled_from(list(GroupExit))


def passing_at(index: np.ndarray) -> np.ndarray:
    """Scores `[images, exits]` of images that pass at their own exit and at none before."""
    return (np.arange(4) >= index[:, None]).astype(np.float32)


@given(exits=EXITS, fold=FOLDS, rule=RULES)
def test_best_groups_leave_as_the_rule_says(exits, fold, rule):
    """Sorted, the first images in the group that is not full: the same as two calls."""
    index = np.sort(np.array(exits, np.int32))
    cut = len(index) % fold
    parts = [part for part in (index[:cut], index[cut:]) if len(part)]
    found = [leave_in_groups(passing_at(part), (0.5, 0.5, 0.5), fold=fold, rule=rule).left for part in parts]
    assert best_groups(np.array(exits, np.int32), fold=fold, rule=rule).tolist() == np.concatenate(found).tolist()


@given(exits=EXITS, fold=FOLDS, rule=RULES)
def test_no_groups_are_better_than_the_best(exits, fold, rule):
    """From the exits that answer, whoever shares a group: past no exit go fewer groups."""
    given = leave_in_groups(passing_at(np.array(exits)), (0.5, 0.5, 0.5), fold=fold, rule=rule)
    best = best_groups(given.answered, fold=fold, rule=rule)
    assert (best <= np.sort(given.left)).all()
    if len(exits) <= fold:
        assert best.tolist() == given.left.tolist()


def test_time_of_groups():
    costs = CostTable(
        engine="e",
        precision="float32",
        device="d",
        buckets=(1, 2),
        segment_ms=((1.0, 1.5), (10.0, 15.0)),
        whole_ms=(1.0, 2.0),
        move_ms=(0.0,),
    )
    assert groups_ms(costs, np.array([0, 0, 1])) == pytest.approx(1.5 + 1.0 + 10.0)


def of_source(folder: Path, target: Path, sha256: str | None) -> Path:
    """A copy of a folded bundle that knows which model was folded."""
    place = Path(shutil.copytree(folder, target))
    rewrite_bundle(place, lambda old: replace(old, fold=replace(old.fold, unfolded_sha256=sha256)), {})
    return place


def test_the_unfolded_bundle_of_another_model_is_refused_or_named(folded_bundle, tmp_path):
    ours = open_bundle(folded_bundle.unfolded).manifest.source_sha256
    data, beside = str(folded_bundle.data), tmp_path / "net-unfolded.ee"
    shutil.copytree(folded_bundle.unfolded, beside)
    place = of_source(folded_bundle.path, tmp_path / "net.ee", "f" * 64)
    with pytest.raises(UserError, match=r"net-unfolded\.ee: was built from a model with sha256 .*, the one that was"):
        run(place, data=data)
    named = "The unfolded bundle net-unfolded.ee was built from a model with sha256"
    given = run(place, data=data, unfolded=beside, duration_s=0.0)
    assert any(line.startswith(named) and line.endswith("more than folding differs.") for line in given.warnings)
    assert run(place, data=data, no_unfolded=True, duration_s=0.0).folding.unfolded is None
    shutil.rmtree(place)
    same = run(of_source(folded_bundle.path, place, ours), data=data, duration_s=0.0)
    assert same.folding.unfolded is not None
    assert not any(line.startswith(named) for line in same.warnings)


def test_the_fastest_whole_network_of_the_folded_bundle_races_though_the_chain_has_another(folded_bundle, monkeypatch):
    """The chain's own is slow, and all that is folded is too slow for a run without the unfolded bundle."""
    bundle = open_bundle(folded_bundle.path)
    own, unfolded = choose_configuration(bundle, engine="reference"), open_bundle(folded_bundle.unfolded)
    ms = {"reference-float32": 9.0, "onnxruntime-float32": 5.0, "unfolded-onnxruntime-float32": 1.0}
    monkeypatch.setattr(heats, "_heat", lambda candidates, *_: {name: ms[name] for name in candidates})
    inputs = {"x": folded_bundle.x}
    field = heats.run_heats(own, inputs, settings(folded_bundle.path), threads=2, unfolded=unfolded)
    assert [*field.raced] == [*ms]
    assert field.unfolded == ("unfolded-onnxruntime-float32",)
    assert [*field.of_bundle()] == ["reference-float32", "onnxruntime-float32"]
    alone = heats.run_heats(own, inputs, settings(folded_bundle.path), threads=2)
    assert [*alone.raced] == ["reference-float32", "onnxruntime-float32"]


def test_a_useless_predictor_is_named(folded_bundle, tmp_path, caplog):
    place = Path(shutil.copytree(folded_bundle.path, tmp_path / "net.ee"))
    weak = replace(open_bundle(place).easiness(), rank_correlation=0.1)
    rewrite_bundle(place, lambda old: old, {"policy/easiness.json": weak})
    found = run(place, data=str(folded_bundle.data), grouping=Grouping.EASY, duration_s=0.0)
    words = "what predicts easy images is weak: rank correlation 0.10"
    assert any(line.startswith(f"Grouping easy: {words}") for line in found.warnings)
    with caplog.at_level(logging.WARNING, logger="eerun"):
        eerun.load(place, threads=2)
        assert not caplog.records
        eerun.load(place, threads=2, grouping="easy")
    assert words in caplog.text
