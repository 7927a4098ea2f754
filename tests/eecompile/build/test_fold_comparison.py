"""What is said of folding follows from the figures of both builds, whichever way they point."""

from dataclasses import replace

import pytest

from eecompile.build.fold_comparison import compare_folding
from eecompile.build.report import BuildReport, SplitReport, TrialReport
from eecompile.cli.fold_comparison import comparison_text
from eerun.costs import CostTable

COSTS = CostTable(
    engine="onnxruntime",
    precision="float32",
    device="none",
    buckets=(8,),
    segment_ms=((1.0,), (1.0,)),
    whole_ms=(2.0,),
    move_ms=(0.0,),
)


def split(accuracy: float | None, expected_ms: float, *, final: float | None = 0.95) -> SplitReport:
    return SplitReport(
        samples=100,
        shares=(0.5, 0.5),
        accuracy=accuracy,
        accuracy_final=final,
        accuracy_float32=final,
        exit_accuracy_all=None,
        agreement=0.97,
        expected_ms=expected_ms,
        expected_ms_without_exits=2.0,
    )


def report(
    *trials: tuple[float | None, float, bool], fold: int = 1, batch: int = 8, whole_ms: float = 3.0
) -> BuildReport:
    made = [
        TrialReport(
            engine="onnxruntime",
            precision="float32",
            whole_ms=whole_ms,
            chain_ms=2.0,
            expected_ms=milliseconds,
            agreement=(1.0, 1.0),
            agreement_test=(1.0, 1.0),
            answers_kept=1.0,
            tune=split(accuracy, milliseconds),
            test=split(accuracy, milliseconds, final=None if accuracy is None else 0.95),
            kept=kept,
        )
        for accuracy, milliseconds, kept in trials
    ]
    return BuildReport(
        model="m.pt",
        bundle="m.ee",
        policy="margin",
        max_drop=0.01,
        drop_measure="accuracy",
        max_quant_drop=0.01,
        trials=tuple(made),
        calibration=None,
        keep_float=(),
        segments=(),
        whole_macs=1,
        costs=COSTS,
        batch=batch,
        whole_ms=whole_ms,
        fastest_whole="onnxruntime float32",
        targets=(),
        tune=made[0].tune if made else None,
        test=made[0].test if made else None,
        reference_error=None,
        chain_error=0.0,
        warnings=(),
        seconds=1.0,
        fold=fold,
    )


def test_the_strongest_unfolded_way_that_is_kept_is_the_rival():
    unfolded = report((0.94, 2.0, True), (0.93, 1.6, True), (0.9, 0.1, False))
    found = compare_folding(report((0.92, 0.8, True), fold=4, batch=16), unfolded)
    assert (found.unfolded_ms, found.unfolded_chain) == (1.6 / 8, 0.93)
    assert (found.folded_ms, found.unfolded_whole_ms) == (0.8 / 16, 3.0 / 8)
    assert found.speed_up == pytest.approx(4.0)
    assert found.drop == pytest.approx(0.03)
    text = comparison_text(found, bundle="m.ee")
    assert "Folding is faster here: the folded chain has 4.00x the speed of the unfolded chain" in text
    assert "3.00 points less accuracy" in text
    assert "eerun bench --bundle m.ee" in text


def test_it_is_said_plainly_when_folding_does_not_pay():
    unfolded = report((0.94, 2.0, True), whole_ms=1.0)
    found = compare_folding(report((0.96, 4.0, True), fold=4), unfolded)
    text = comparison_text(found, bundle="m.ee")
    assert "! Folding does not pay here: the folded chain has 0.25x the speed of the whole unfolded network" in text
    assert "1.00 points more accuracy" in text


def test_without_labels_nothing_is_said_of_accuracy():
    found = compare_folding(report((None, 1.0, True), fold=2), report((None, 2.0, True)))
    assert (found.measure, found.drop, found.folded_chain) == ("agreement", None, 0.97)
    assert "there are no labels" in comparison_text(found, bundle="m.ee")


def test_without_data_there_is_no_comparison():
    assert compare_folding(report(fold=2), report((0.9, 1.0, True))) is None
    assert compare_folding(replace(report((0.9, 1.0, True), fold=2)), report()) is None
