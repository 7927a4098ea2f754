"""What a certificate rests on beside the bundle, as this machine has it."""

import importlib.metadata
import logging
import shutil
from dataclasses import replace

import pytest
from typer.testing import CliRunner

import eerun
from eerun.bundle import UNKNOWN_VERSION, Certificate, amend_bundle, graphs_of, open_bundle, policy_digest
from eerun.choose_configuration import choose_configuration
from eerun.circumstances import engine_version, void_here
from eerun.cli.main import app
from eerun.measure_costs import device_name

LOAD = {"engine": "onnxruntime", "threads": 2}


def install(monkeypatch, **versions):
    """Let these packages be all that is installed."""

    def version(name):
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "version", version)


def test_the_version_is_that_of_the_package():
    assert engine_version("onnxruntime") == importlib.metadata.version("onnxruntime")


def test_of_two_packages_both_are_named(monkeypatch):
    install(monkeypatch, **{"onnxruntime": "1.2", "onnxruntime-gpu": "1.3"})
    assert engine_version("onnxruntime") == "1.2 (onnxruntime), 1.3 (onnxruntime-gpu)"
    assert engine_version("onnxruntime-cuda") == "1.3"


def test_a_version_that_no_package_tells(monkeypatch):
    install(monkeypatch)
    assert engine_version("onnxruntime") == UNKNOWN_VERSION == engine_version("another")


@pytest.fixture
def two_ways(tiny_bundle, tmp_path):
    """A copy of the bundle with a second configuration, in precision int8, and only this one is certified."""
    path = tmp_path / "tiny.ee"
    shutil.copytree(tiny_bundle.path, path)
    manifest = open_bundle(path).manifest
    float32 = manifest.configurations[0]
    policy = open_bundle(path).policy(float32)
    int8 = replace(float32, precision="int8", policy="policy/int8.json")
    certificate = Certificate(
        risk="disagreement",
        limit=0.01,
        confidence=0.95,
        method="betting",
        samples=1000,
        bound=0.009,
        disagreement=0.01,
        split_sha256="0" * 64,
        graphs_sha256=graphs_of(manifest, int8),
        policy_sha256=policy_digest(policy),
        engine="onnxruntime",
        engine_version=engine_version("onnxruntime"),
        precision="int8",
        processor=device_name(),
    )
    files = {"policy/int8.json": replace(policy, certificate=certificate)}
    amend_bundle(path, lambda manifest: (*manifest.configurations, int8), files)
    return path


def test_that_another_configuration_is_certified_is_said_once(two_ways, caplog):
    with caplog.at_level(logging.WARNING, logger="eerun"):
        model = eerun.load(two_ways, **LOAD, precision="float32")
    assert model.certificate is None
    assert model.void == "onnxruntime float32 was not certified, only onnxruntime-int8"
    assert [model.void in record.message for record in caplog.records] == [True]


def test_nothing_is_said_of_the_one_that_is_certified(two_ways, caplog):
    with caplog.at_level(logging.WARNING, logger="eerun"):
        model = eerun.load(two_ways, **LOAD, precision="int8")
    assert model.certificate is not None
    assert model.void is None
    assert not caplog.records


def test_nothing_is_said_where_nothing_was_promised(tiny_bundle):
    way = choose_configuration(open_bundle(tiny_bundle.path), engine="onnxruntime")
    assert void_here(way, way.policy()) is None


def test_eerun_run_says_it(two_ways, tiny_bundle, tmp_path):
    given = ("run", "--bundle", two_ways, "--data", tiny_bundle.data, "-o", tmp_path / "a.npz", "--threads", 2)
    result = CliRunner().invoke(app, [*map(str, given), "--engine", "onnxruntime", "--precision", "float32"])
    assert result.exit_code == 0, result.output
    lines = [line for line in result.output.splitlines() if line.startswith("! the certificate")]
    assert lines == [
        "! the certificate does not hold here: onnxruntime float32 was not certified, only onnxruntime-int8"
    ]
