"""A bench run of a folded bundle, with and without the same network unfolded; counts are checked, times are not."""

import csv
import json
import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eerun
from eengines.errors import UserError
from eerun.bench import BenchResult, BenchSettings, csv_table, json_report, run_bench, text_report
from eerun.bench.best_groups import best_groups, groups_ms
from eerun.bench.statistics import Estimate
from eerun.bench.verdict import verdict
from eerun.bundle import rewrite_bundle
from eerun.costs import CostTable
from eerun.data import load_data, make_splits
from eerun.folding import GroupExit, Grouping, leave_in_groups

FOLD, BATCH = 4, 8


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


def with_ratio(result: BenchResult, value: float, low: float, high: float) -> BenchResult:
    """The same where both ratios of the folded chain are this."""
    unfolded, median = result.folding.unfolded, Estimate(value=value, low=low, high=high)
    changes = {name: replace(getattr(unfolded, name), median=median) for name in ("chain_by_chain", "chain_by_whole")}
    return replace(result, folding=replace(result.folding, unfolded=replace(unfolded, **changes)))


def test_whether_folding_pays(both):
    words = "* folding does not pay here"
    assert not any(line.startswith(words) for line in verdict(with_ratio(both, 1.2, 1.1, 1.3)))
    (line,) = (line for line in verdict(with_ratio(both, 0.8, 0.7, 0.9)) if line.startswith(words))
    assert line.endswith(
        "here: the unfolded chain (0.80x) and the unfolded whole network (0.80x) against the folded chain: "
        "run net-unfolded.ee"
    )
    assert any("at least not for certain" in line for line in verdict(with_ratio(both, 1.0, 0.9, 1.1)))


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


@given(
    exits=st.lists(st.integers(0, 3), min_size=1, max_size=20),
    fold=st.sampled_from([2, 3, 4, 8]),
    rule=st.sampled_from(list(GroupExit)),
)
def test_best_groups_leave_as_the_rule_says(exits, fold, rule):
    """Images whose score passes at their own exit and at none before, sorted by it."""
    index = np.array(exits, np.int32)
    scores = (np.arange(4) >= np.sort(index)[:, None]).astype(np.float32)
    expected = leave_in_groups(scores, (0.5, 0.5, 0.5), fold=fold, rule=rule)
    assert best_groups(index, fold=fold, rule=rule).tolist() == expected.left.tolist()


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
