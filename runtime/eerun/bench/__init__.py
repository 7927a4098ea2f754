"""Measure a bundle against its rivals, in one run, on real data: `run_bench(BenchSettings(bundle=...), progress)`."""

from eerun.bench.csv_table import csv_table
from eerun.bench.json_report import json_report
from eerun.bench.result import BenchResult
from eerun.bench.rivals import RIVALS
from eerun.bench.run import run_bench
from eerun.bench.settings import BenchSettings, Scenario
from eerun.bench.text import text_report

__all__ = [
    "RIVALS",
    "BenchResult",
    "BenchSettings",
    "Scenario",
    "csv_table",
    "json_report",
    "run_bench",
    "text_report",
]
