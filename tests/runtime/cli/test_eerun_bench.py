"""`eerun bench`: the flags mirror the settings, and the files are written."""

import json
from dataclasses import fields
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from eengines.errors import UserError
from eerun.bench import BenchSettings
from eerun.bench.server.settings import LoadSettings
from eerun.cli.main import app

NAMES = {"duration_s": "duration", "warm_up_ms": "warm_up", "served": "model"}
SHOWN = {"qps": "auto", "serve_flags": ""}
OF_SCENARIO = {"batch", "duration"}
"""Flags whose default depends on the scenario; they say so in their help."""
FILES = {"json", "csv"}


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["bench", "--duration", "0", "--warm-up", "0", *map(str, arguments)])


def test_every_setting_has_a_flag_and_the_same_default():
    flags = {parameter.name: parameter for parameter in get_command(app).commands["bench"].params}
    settings = [
        {NAMES.get(field.name, field.name): field.default for field in fields(kind)}
        for kind in (BenchSettings, LoadSettings)
    ]
    assert set(flags) - FILES - {"help"} == set(settings[0]) | set(settings[1])
    for name, default in (*settings[0].items(), *settings[1].items()):
        if name in OF_SCENARIO:
            assert flags[name].default is None
            assert "Default:" in flags[name].help
        else:
            assert flags[name].default == SHOWN.get(name, default), name


def test_the_help_gives_units():
    text = " ".join(CliRunner().invoke(app, ["bench", "--help"], env={"COLUMNS": "200"}).output.split())
    for words in ("--duration SECONDS", "in s.", "--warm-up MS", "in ms.", "Samples a batch."):
        assert words in text


def test_it_prints_the_blocks_and_writes_both_files(tiny_bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tiny_bundle.path.parent)
    result = bench("--batch", 8, "--threads", 2, "--json", tmp_path / "b.json", "--csv", tmp_path / "b.csv")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("=== Performance summary ===\nThroughput: ")
    assert "=== Verdict ===" in result.stdout
    record = json.loads((tmp_path / "b.json").read_bytes())
    assert record["format"] == "eerun.bench/2.3"
    assert record["subject"]["batch"] == record["settings"]["batch"] == 8
    assert record["subject"]["data_of_build"] is True
    assert (
        (tmp_path / "b.csv")
        .read_text()
        .startswith("Model,Trial,Fold,Batch Size,Mode,Throughput,FLOPs/sec\ntiny,1,1,8,")
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.csv", "b.json"]


def test_an_output_in_a_missing_folder_is_refused_before_measuring(tiny_bundle, tmp_path: Path):
    result = bench("--bundle", tiny_bundle.path, "--json", tmp_path / "no" / "b.json")
    assert isinstance(result.exception, UserError)
    assert "does not exist" in str(result.exception)
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--scenario", "singlestream", "--batch", 4), "--batch: got 4"),
        (("--against", "nobody"), "--against: got 'nobody'"),
        (("--against", "torch", "--model", "no_such_model.pt"), "--model: no_such_model.pt: no such file"),
        (("--factory", "a:b"), "--factory: got it without --against"),
        (("--model", "model.pt"), "--model: got it without --against"),
        (("--qps", 5), "--qps: got it without --scenario server"),
        (("--scenario", "server", "--qps", "many"), "--qps: got 'many'"),
        (("--scenario", "server", "--qps", 0, "--duration", 1), "--qps: got 0"),
        (("--scenario", "server", "--csv", "a.csv"), "--csv: got it with --scenario server"),
        (("--scenario", "server", "--device", 1), "--device: got it with --scenario server"),
        (("--scenario", "server", "--model", "net", "--duration", 1), "--model: got it without --url"),
        (("--scenario", "server", "--serve-flags", "'open"), "--serve-flags: got"),
        (("--scenario", "server", "--url", "https://host", "--duration", 1), "--url https://host"),
    ],
)
def test_flags_that_do_not_fit_are_refused(tiny_bundle, arguments: tuple[object, ...], words: str):
    result = bench("--bundle", tiny_bundle.path, *arguments)
    assert isinstance(result.exception, UserError)
    assert words in str(result.exception)
