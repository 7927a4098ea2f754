"""A bench result with fixed figures, for tests of what is printed."""

from dataclasses import replace
from pathlib import Path

import pytest

from eerun.bench import BenchResult, BenchSettings
from eerun.bench.environment import Environment
from eerun.bench.result import (
    ExitSummary,
    Float32Summary,
    Quality,
    SegmentSummary,
    Trial,
)
from eerun.bench.speeds import BaselineSummary, ContestantSummary
from eerun.bench.statistics import Estimate, Latency, PairedRatio
from eerun.bench.subject import Subject
from eerun.costs import CostTable


def ratio(value: float, low: float, high: float) -> PairedRatio:
    return PairedRatio(
        median=Estimate(value=value, low=low, high=high),
        totals=Estimate(value=value - 0.01, low=low - 0.01, high=high - 0.01),
        first_quartile=low - 0.02,
        third_quartile=high + 0.02,
        pairs=310,
        batches_per_pair=1,
    )


def contestant(median_ms: float) -> ContestantSummary:
    latency = Latency(
        min_ms=median_ms - 1,
        max_ms=median_ms + 4,
        mean_ms=median_ms + 0.5,
        median_ms=median_ms,
        percentile_90_ms=median_ms + 1,
        percentile_95_ms=median_ms + 2,
        percentile_99_ms=median_ms + 3,
        variation=0.02,
    )
    total_s = 310 * (median_ms + 0.5) / 1000
    return ContestantSummary(batches=310, samples=9920, total_s=total_s, samples_per_s=9920 / total_s, latency=latency)


def baseline(engine: str, precision: str, median_ms: float, speedup: PairedRatio) -> BaselineSummary:
    return BaselineSummary(
        engine=engine,
        precision=precision,
        speed=contestant(median_ms),
        speedup=speedup,
        tail_speedup=Estimate(value=1.38, low=1.36, high=1.40),
        accuracy=0.925,
        agreement=0.987,
    )


@pytest.fixture
def fixed_result() -> BenchResult:
    return BenchResult(
        format="eerun.bench/2.1",
        environment=Environment(
            processor="Example CPU",
            cores=2,
            system="Linux",
            python="3.11.0",
            versions={"eecompile": "0.1.0"},
            command="eerun bench",
            date_utc="2026-01-02T03:04:05+00:00",
        ),
        settings=BenchSettings(bundle=Path("net.ee")),
        subject=Subject(
            bundle="net.ee",
            model="net.pt",
            engine="onnxruntime",
            precision="float32",
            threads=2,
            batch=32,
            policy="max-probability",
            macs=(1000, 3000),
            whole_macs=3500,
            data="net.npz",
            data_sha256="0" * 64,
            data_of_build=True,
        ),
        chain=contestant(7.0),
        exits_off=contestant(10.4),
        baselines={
            "onnxruntime-float32": baseline("onnxruntime", "float32", 14.0, ratio(2.0, 1.98, 2.03)),
            "openvino-int8": baseline("openvino", "int8", 10.0, ratio(1.43, 1.42, 1.45)),
        },
        fastest="openvino-int8",
        own="onnxruntime-float32",
        heat_ms={"onnxruntime-float32": 14.1, "openvino-float32": 21.0, "openvino-int8": 10.1},
        not_tried=(),
        hard_input=ratio(1.04, 1.038, 1.043),
        oracle=ratio(1.02, 1.01, 1.03),
        oracle_ms=6.9,
        quality=Quality(
            samples=4000,
            accuracy=0.921,
            accuracy_whole=0.925,
            won=4,
            lost=20,
            agreement=0.987,
            agreement_exits_off=1.0,
            float32=Float32Summary(engine="onnxruntime", accuracy=0.926, agreement=0.985),
        ),
        exits=(
            ExitSummary(
                name="exit1",
                threshold=0.912,
                share=0.6,
                percentile_50_ms=3.0,
                percentile_90_ms=3.5,
                percentile_99_ms=4.0,
                accuracy=0.99,
                agreement=0.995,
            ),
            ExitSummary(
                name="final",
                threshold=None,
                share=0.4,
                percentile_50_ms=None,
                percentile_90_ms=None,
                percentile_99_ms=None,
                accuracy=None,
                agreement=None,
            ),
        ),
        segments=(
            SegmentSummary(
                exit="exit1",
                reached=1.0,
                rows_in=32.0,
                survivors_in=32.0,
                survivors_out=12.8,
                run_ms=3.0,
                boundary_us=41.5,
            ),
            SegmentSummary(
                exit="final",
                reached=0.0,
                rows_in=None,
                survivors_in=None,
                survivors_out=None,
                run_ms=None,
                boundary_us=None,
            ),
        ),
        costs=CostTable(
            engine="onnxruntime",
            precision="float32",
            device="Example CPU, 2 threads",
            buckets=(32,),
            segment_ms=((3.0,), (7.4,)),
            whole_ms=(10.0,),
            move_ms=(0.01,),
        ),
        break_even_share=0.12,
        rival=None,
        trials=(
            Trial(
                samples=4960,
                chain_s=1.0,
                baselines_s={"onnxruntime-float32": 2.0, "openvino-int8": 1.6},
                chain_macs_per_sample=2200.0,
            ),
            Trial(
                samples=4960,
                chain_s=1.24,
                baselines_s={"onnxruntime-float32": 2.48, "openvino-int8": 1.55},
                chain_macs_per_sample=2300.0,
            ),
        ),
        wall_s=9.0,
        warnings=("Only an example.",),
    )


@pytest.fixture
def lone_result(fixed_result: BenchResult) -> BenchResult:
    """The same from a bundle with one configuration, whose whole network takes the 10 ms."""
    only = replace(fixed_result.whole, engine="onnxruntime", precision="float32")
    return replace(
        fixed_result,
        baselines={"onnxruntime-float32": only},
        fastest="onnxruntime-float32",
        heat_ms={"onnxruntime-float32": 10.1},
    )
