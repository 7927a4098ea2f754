"""Every configuration that runs here is tried; the chain's own and the fastest others come into the run."""

import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest

from eengines.errors import EngineError
from eerun.bench import BenchResult, BenchSettings, csv_table, heats, run_bench, text_report
from eerun.bundle import open_bundle
from eerun.bundle.manifest import MANIFEST_NAME
from eerun.choose_configuration import choose_configuration, usable_configurations

ORT, OPENVINO = "onnxruntime-float32", "openvino-float32"


@pytest.fixture(scope="module")
def settings(tiny_bundle) -> BenchSettings:
    return BenchSettings(bundle=tiny_bundle.path, batch=8, duration_s=0.0, warm_up_ms=0.0, threads=2)


def run_all(settings: BenchSettings) -> BenchResult:
    """A run in which both engines take part, however slow one of them is."""
    pytest.importorskip("openvino", reason="a race needs two engines")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heats, "CLOSE", float("inf"))
        return run_bench(settings, lambda _: None)


@pytest.fixture(scope="module")
def race(settings: BenchSettings) -> BenchResult:
    return run_all(settings)


def change_configurations(source: Path, target: Path, **changes: object) -> Path:
    """Copy a bundle, with some fields of its second configuration changed, or without it."""
    shutil.copytree(source, target)
    manifest = msgspec.json.decode((target / MANIFEST_NAME).read_bytes())
    manifest["configurations"] = [
        manifest["configurations"][0],
        *([{**manifest["configurations"][1], **changes}] if changes else []),
    ]
    (target / MANIFEST_NAME).write_bytes(msgspec.json.encode(manifest))
    return target


def test_two_engines_race_on_the_same_batches(race: BenchResult):
    assert set(race.baselines) == set(race.heat_ms) == {ORT, OPENVINO}
    assert race.own == ORT
    assert race.fastest == min(race.baselines, key=lambda name: race.baselines[name].speed.total_s)
    assert race.not_tried == ()
    for baseline in race.baselines.values():
        assert baseline.speed.batches == race.chain.batches
        assert baseline.agreement == race.quality.agreement
        assert baseline.accuracy == race.quality.accuracy_whole
        assert baseline.speedup.totals.value == pytest.approx(baseline.speed.total_s / race.chain.total_s)
    assert {name for trial in race.trials for name in trial.baselines_s} == {ORT, OPENVINO}
    words = race.whole.words
    assert f"in its fastest form here ({words}, of 2 tried)" in text_report(race)
    assert f"whole-{({ORT, OPENVINO} - {race.fastest}).pop()}" in csv_table(race)


def test_the_chain_of_the_other_engine_meets_the_same_rivals(settings: BenchSettings, race: BenchResult):
    other = run_all(replace(settings, engine="openvino"))
    assert (other.own, other.subject.engine) == (OPENVINO, "openvino")
    assert set(other.baselines) == {ORT, OPENVINO}
    assert other.quality.accuracy == race.quality.accuracy
    assert other.quality.agreement_exits_off == 1.0


def test_an_engine_that_the_build_did_not_measure_is_a_rival_too(settings: BenchSettings):
    result = run_all(replace(settings, engine="reference"))
    assert result.own == "reference-float32"
    assert set(result.baselines) == set(result.heat_ms) == {"reference-float32", ORT, OPENVINO}
    assert next(iter(result.baselines)) == result.own


def test_one_that_is_much_slower_stays_out_of_the_run(settings: BenchSettings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(heats, "CLOSE", 0.0)
    result = run_bench(settings, lambda _: None)
    assert set(result.baselines) == {ORT}
    assert ORT in result.heat_ms
    assert result.quality.float32 is not None
    assert result.quality.float32.engine == "onnxruntime"
    assert result.quality.float32.accuracy == result.quality.accuracy_whole


def test_a_configuration_that_cannot_run_here_is_named(tiny_bundle, settings: BenchSettings, tmp_path: Path):
    bundle = change_configurations(tiny_bundle.path, tmp_path / "tiny.ee", engine="abacus")
    found = usable_configurations(open_bundle(bundle))
    assert [way.name for way in found.configurations] == [ORT]
    assert found.reasons == ("abacus-float32: this eerun has no engine 'abacus'",)
    result = run_bench(replace(settings, bundle=bundle, data=str(tiny_bundle.data)), lambda _: None)
    assert [*result.heat_ms] == [ORT]
    assert f"* Only onnxruntime float32 was raced: {found.reasons[0]}" in text_report(result)


def with_refused_whole(source: Path, target: Path, *, configuration: int) -> Path:
    """Copy a bundle; the whole network of one configuration has an operator that no engine knows, and no damage."""
    shutil.copytree(source, target)
    manifest = msgspec.json.decode((target / MANIFEST_NAME).read_bytes())
    model = onnx.load(target / manifest["configurations"][configuration]["whole"])
    model.graph.node[0].op_type = "NoSuchOperator"
    content = model.SerializeToString()
    name = "segments/refused.onnx"
    (target / name).write_bytes(content)
    manifest["configurations"][configuration]["whole"] = name
    manifest["files"][name] = {"sha256": sha256(content).hexdigest(), "bytes": len(content)}
    (target / MANIFEST_NAME).write_bytes(msgspec.json.encode(manifest))
    return target


def test_an_engine_that_refuses_its_graph_does_not_end_the_run(tiny_bundle, settings: BenchSettings, tmp_path: Path):
    pytest.importorskip("openvino", reason="the second engine")
    bundle = with_refused_whole(tiny_bundle.path, tmp_path / "tiny.ee", configuration=1)
    result = run_bench(replace(settings, bundle=bundle, data=str(tiny_bundle.data)), lambda _: None)
    assert [*result.heat_ms] == [*result.baselines] == [ORT]
    (reason,) = result.not_tried
    assert reason.startswith(f"{OPENVINO}: ")
    assert "NoSuchOperator" in reason
    assert "Only onnxruntime float32 was raced: openvino-float32: " in text_report(result)


def test_the_chains_own_engine_must_not_fail(tiny_bundle, settings: BenchSettings, tmp_path: Path):
    bundle = with_refused_whole(tiny_bundle.path, tmp_path / "tiny.ee", configuration=0)
    with pytest.raises(EngineError, match="NoSuchOperator"):
        run_bench(replace(settings, bundle=bundle, data=str(tiny_bundle.data)), lambda _: None)


def test_a_precision_that_this_machine_lacks_is_named(tiny_bundle, tmp_path: Path):
    bundle = change_configurations(tiny_bundle.path, tmp_path / "tiny.ee", engine="onnxruntime", precision="bfloat16")
    assert usable_configurations(open_bundle(bundle)).reasons == (
        "onnxruntime-bfloat16: this machine's onnxruntime has no bfloat16",
    )


def test_float32_answers_come_from_a_pass_of_their_own_where_no_float32_network_is_in_the_run(
    tiny_bundle, settings: BenchSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # The graphs are float32 whatever the manifest calls them, so that the answers must be the same.
    bundle = change_configurations(tiny_bundle.path, tmp_path / "tiny.ee", engine="onnxruntime", precision="float16")
    monkeypatch.setattr(heats, "CLOSE", 0.0)
    result = run_bench(
        replace(settings, bundle=bundle, data=str(tiny_bundle.data), precision="float16"), lambda _: None
    )
    assert set(result.baselines) == {"onnxruntime-float16"}
    float32 = result.quality.float32
    assert float32 is not None
    assert (float32.accuracy, float32.agreement) == (result.quality.accuracy_whole, result.quality.agreement)
    assert "Against the float32 final exit, " in text_report(result)


def test_the_heats_time_every_candidate(tiny_bundle, settings: BenchSettings):
    bundle = open_bundle(tiny_bundle.path)
    field = heats.run_heats(choose_configuration(bundle), {"x": tiny_bundle.x}, settings, threads=2)
    assert set(field.heat_ms) == {way.name for way in usable_configurations(bundle).configurations}
    assert all(np.isfinite(ms) and ms > 0 for ms in field.heat_ms.values())
    assert next(iter(field.raced)) == field.own == ORT
