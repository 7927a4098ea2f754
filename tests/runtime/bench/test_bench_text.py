"""The printed blocks of a fixed result: trtexec's wording, exits, segments, and the verdict."""

from dataclasses import replace

import pytest

from eerun.bench import BenchResult, BenchSettings, Scenario, text_report
from eerun.bench.speeds import RivalSummary
from eerun.bench.statistics import Estimate
from eerun.bench.verdict import pays, verdict


def slower(result: BenchResult, value: float, low: float, high: float) -> BenchResult:
    median = Estimate(value=value, low=low, high=high)
    whole = replace(result.whole, speedup=replace(result.whole.speedup, median=median))
    return replace(result, baselines={**result.baselines, result.fastest: whole})


def test_performance_block_has_trtexecs_lines(fixed_result: BenchResult):
    lines = text_report(fixed_result).split("\n\n")[0].splitlines()
    assert lines == [
        "=== Performance summary ===",
        "Throughput: 133.333 qps",
        "Throughput in samples: 4266.67 samples/s",
        "Latency: min = 6 ms, max = 11 ms, mean = 7.5 ms, median = 7 ms, percentile(90%) = 8 ms, "
        "percentile(95%) = 9 ms, percentile(99%) = 10 ms",
        "Total Host Walltime: 2.325 s",
        "* Only an example.",
    ]


def test_blocks_come_in_order(fixed_result: BenchResult):
    heads = [line for line in text_report(fixed_result).splitlines() if line.startswith("===")]
    assert heads == [
        "=== Performance summary ===",
        "=== Exit summary ===",
        "=== Segment summary ===",
        "=== Heats of the whole network, every engine and precision of the bundle that runs here ===",
        "=== Contestants (9.0 s together) ===",
        "=== Verdict ===",
    ]


def test_exit_and_segment_tables_are_aligned(fixed_result: BenchResult):
    text = text_report(fixed_result)
    assert (
        "exit   threshold   share  p50 ms  p90 ms  p99 ms  accuracy  agreement\n"
        "exit1     0.9120  60.0 %   3.000   3.500   4.000   99.00 %    99.50 %\n"
        "final          -  40.0 %       -       -       -         -          -\n"
    ) in text
    assert (
        "segment to  reached  batch in  alive in  survivors out  run ms  boundary us\n"
        "exit1       100.0 %      32.0      32.0           12.8   3.000         41.5\n"
        "final         0.0 %         -         -              -       -            -\n"
    ) in text


def test_heats_and_contestants_are_named(fixed_result: BenchResult, lone_result: BenchResult):
    text = text_report(fixed_result)
    assert (
        "in turns on the same batches  ms a batch\n"
        "openvino-int8                     10.100            in the run\n"
        "onnxruntime-float32               14.100            in the run\n"
        "openvino-float32                  21.000  too slow for the run\n"
    ) in text
    assert "whole network, openvino int8 (fastest)  " in text
    assert "whole network, onnxruntime float32 (the chain's own)  " in text
    assert "=== Heats" not in text_report(lone_result)
    assert "\nwhole network, onnxruntime float32  " in text_report(lone_result)


def test_verdict_of_exits_that_pay(fixed_result: BenchResult):
    assert pays(fixed_result)
    assert verdict(fixed_result) == [
        "1.43x the throughput of the whole network in its fastest form here (openvino int8, of 3 tried) "
        "(95 % interval 1.42-1.45, 310 paired batches), the chain in onnxruntime float32, batch 32",
        "Spread: half of the pairs lie between 1.40x and 1.47x; over the total time 1.42x (95 % interval 1.41-1.44)",
        "2.00x the throughput of the whole network in the chain's own form, onnxruntime float32 "
        "(95 % interval 1.98-2.03)",
        "Accuracy 92.10 %, the fastest whole network 92.50 %: -0.40 points (4 samples won, 20 lost); "
        "agreement with the fastest whole network 98.70 % of 4000 samples",
        "Against the float32 final exit, 92.60 %: -0.50 points; agreement 98.50 %",
        "Hard-input tax: a batch where nobody leaves early costs 4.0 % more than the fastest whole network "
        "(95 % interval +3.8 % to +4.3 %)",
        "Break-even: with exit1 as the only early exit 12.0 % of the samples must leave there for the chain to cost as "
        "much as the fastest whole network, boundaries not counted; 60.0 % did",
        "Overhead: 1.020x the time of the segments by themselves on the same survivors (95 % interval 1.010-1.030)",
    ]


def test_a_bundle_with_one_configuration(lone_result: BenchResult):
    lines = verdict(lone_result)
    assert lines[0].startswith("1.43x the throughput of the whole network in onnxruntime float32 (95 % interval")
    assert "* Only onnxruntime float32 was raced: the bundle has no other configuration" in lines
    assert not any("own form" in line or "float32 final exit" in line for line in lines)


def test_why_others_were_not_raced(fixed_result: BenchResult, lone_result: BenchResult):
    reasons = ("openvino-int8: openvino is not installed: pip install it",)
    assert f"* Only onnxruntime float32 was raced: {reasons[0]}" in verdict(replace(lone_result, not_tried=reasons))
    assert f"* Not raced: {reasons[0]}" in verdict(replace(fixed_result, not_tried=reasons))


def test_a_chain_in_a_slower_engine_than_its_rival(fixed_result: BenchResult):
    result = replace(slower(fixed_result, 0.9, 0.88, 0.92), oracle_ms=12.0)
    assert verdict(result)[-1] == (
        "* exits do not pay here: the chain in onnxruntime float32 takes 7.500 ms a batch, less than the whole "
        "network's 14.500 ms there, but openvino int8 needs 10.500 ms: run the chain with --engine openvino "
        "--precision int8"
    )


def test_exits_that_cost_more_than_they_save(lone_result: BenchResult):
    result = replace(slower(lone_result, 0.9, 0.88, 0.92), oracle_ms=11.0)
    assert not pays(result)
    assert verdict(result)[-1] == (
        "* exits do not pay here: 60.0 % of the samples leave early, which is too few: for the samples that go on, the "
        "segments by themselves take 11.000 ms a batch, the whole network 10.500 ms"
    )


def test_boundaries_that_cost_more_than_exits_save(lone_result: BenchResult):
    assert verdict(slower(lone_result, 0.9, 0.88, 0.92))[-1] == (
        "* exits do not pay here: the segments by themselves take 6.900 ms a batch, less than the whole network's "
        "10.500 ms, but decisions, copies and compaction add 0.600 ms"
    )


def test_an_interval_that_reaches_below_one_is_no_gain(fixed_result: BenchResult):
    last = verdict(slower(fixed_result, 1.02, 0.99, 1.05))[-1]
    assert last.startswith("* exits do not pay here, at least not for certain (the interval reaches below 1): ")


def test_no_labels(fixed_result: BenchResult):
    quality = replace(fixed_result.quality, accuracy=None, accuracy_whole=None, won=None, lost=None)
    lines = verdict(replace(fixed_result, quality=quality))
    assert "No labels, so no accuracy; agreement with the fastest whole network 98.70 % of 4000 samples" in lines
    assert "Against the float32 final exit: agreement 98.50 %" in lines


def test_no_share_is_large_enough(fixed_result: BenchResult):
    assert "Break-even: none; the chain would cost more even if all samples left at the first exit (exit1)" in verdict(
        replace(fixed_result, break_even_share=None)
    )


@pytest.mark.parametrize(("low", "ends_with_note"), [(0.95, True), (1.36, False)])
def test_single_stream_is_judged_by_its_90th_percentile(fixed_result: BenchResult, low: float, ends_with_note: bool):
    whole = replace(fixed_result.whole, tail_speedup=Estimate(value=1.38, low=low, high=1.40))
    result = replace(
        fixed_result,
        settings=BenchSettings(scenario=Scenario.SINGLESTREAM),
        baselines={**fixed_result.baselines, fixed_result.fastest: whole},
    )
    lines = verdict(result)
    assert lines[0] == (
        f"90th percentile of latency 8.000 ms, the whole network in its fastest form here (openvino int8, of 3 tried) "
        f"11.000 ms: 1.38x as fast (95 % interval {low:.2f}-1.40), the chain in onnxruntime float32, batch 32"
    )
    assert lines[1].startswith(
        "1.43x the throughput of the fastest whole network (95 % interval 1.42-1.45, 310 paired batches)"
    )
    note = "* exits pay on average but not at the 90th percentile: 40.0 % of the samples run to the end"
    assert (lines[-1] == note) == ends_with_note


def test_the_rival_is_named(fixed_result: BenchResult):
    rival = RivalSummary(
        name="torch",
        words="eager PyTorch",
        calls=5,
        samples=20,
        ms_per_sample=12.5,
        ratio=fixed_result.whole.speedup,
        same_label=1.0,
        same_exit=0.95,
    )
    assert (
        "1.42x the speed of eager PyTorch (95 % interval 1.410-1.440, 20 samples, 12.5 ms each; 100.0 % answered alike)"
        in verdict(replace(fixed_result, rival=rival))
    )


def test_of_maps_shares_are_of_pixels(fixed_result):
    quality = replace(fixed_result.quality, unit="pixel", mean_iou=0.61, mean_iou_whole=0.64, won=400, lost=2000)
    text = text_report(replace(fixed_result, quality=quality))
    assert (
        "Pixel accuracy 92.10 %, the fastest whole network 92.50 %: -0.40 points (400 pixels won, 2000 lost); "
        "agreement with the fastest whole network 98.70 % of the pixels of 4000 samples\n"
        "Mean IoU 61.00 %, the fastest whole network 64.00 %" in text
    )
    assert "right pixels  same pixels" in text
