"""The CSV in FoldedCNN's columns, and the JSON that holds everything."""

import csv
import json
from dataclasses import fields, replace
from io import StringIO
from pathlib import Path

import pytest

from eerun.bench import BenchResult, BenchSettings, csv_table, json_report, run_bench


def test_csv_has_a_row_for_each_trial_and_mode(fixed_result: BenchResult):
    text = csv_table(fixed_result)
    assert text.splitlines()[0] == "Model,Trial,Fold,Batch Size,Mode,Throughput,FLOPs/sec"
    rows = list(csv.DictReader(StringIO(text)))
    assert [(r["Model"], r["Trial"], r["Fold"], r["Batch Size"], r["Mode"]) for r in rows] == [
        ("net", "1", "1", "32", "early-exit"),
        ("net", "1", "1", "32", "whole-onnxruntime-float32"),
        ("net", "1", "1", "32", "whole"),
        ("net", "2", "1", "32", "early-exit"),
        ("net", "2", "1", "32", "whole-onnxruntime-float32"),
        ("net", "2", "1", "32", "whole"),
    ]
    assert [float(r["Throughput"]) for r in rows] == pytest.approx([4960, 2480, 3100, 4000, 2000, 3200])
    assert [float(r["FLOPs/sec"]) for r in rows] == pytest.approx(
        [4960 * 4400, 2480 * 7000, 3100 * 7000, 4000 * 4600, 2000 * 7000, 3200 * 7000]
    )


def test_json_has_names_of_files_and_no_folders(tiny_bundle, monkeypatch: pytest.MonkeyPatch):
    given = BenchSettings(
        bundle=tiny_bundle.path, data=str(tiny_bundle.data), batch=8, duration_s=0.0, warm_up_ms=0.0, threads=2
    )
    monkeypatch.setattr("sys.argv", ["/opt/bin/eerun", "bench", f"--bundle={given.bundle}", "--data", given.data])
    text = json_report(run_bench(given, lambda _: None)).decode()
    record = json.loads(text)
    bundle, data = tiny_bundle.path.name, tiny_bundle.data.name
    assert (record["settings"]["bundle"], record["settings"]["data"]) == (bundle, data)
    assert (record["subject"]["bundle"], record["subject"]["data"]) == (bundle, data)
    assert record["environment"]["command"] == f"eerun bench --bundle={bundle} --data {data}"
    assert str(tiny_bundle.path.parent) not in text


def test_settings_for_a_record_keep_everything_but_folders():
    given = BenchSettings(
        bundle=Path("a/net.ee"), data="pkg.module:function", model=Path("/b/net.pt"), against="torch", seed=3
    )
    assert given.without_folders() == replace(given, bundle=Path("net.ee"), model=Path("net.pt"))
    assert BenchSettings().without_folders() == BenchSettings()


def test_json_holds_every_field(fixed_result: BenchResult):
    record = json.loads(json_report(fixed_result))
    assert set(record) == {field.name for field in fields(fixed_result)}
    assert record["settings"]["bundle"] == "net.ee"
    assert record["settings"]["scenario"] == "offline"
    assert record["environment"]["date_utc"] == "2026-01-02T03:04:05+00:00"
    assert record["fastest"] == "openvino-int8"
    whole = record["baselines"][record["fastest"]]
    assert whole["speedup"]["median"] == {"value": 1.43, "low": 1.42, "high": 1.45}
    assert (whole["engine"], whole["accuracy"], whole["agreement"]) == ("openvino", 0.925, 0.987)
    assert record["heat_ms"]["openvino-float32"] == 21.0
    assert [exit_["threshold"] for exit_ in record["exits"]] == [0.912, None]
