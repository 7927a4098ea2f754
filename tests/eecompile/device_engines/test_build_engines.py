"""Engines for a card: plans, measured and tuned where the card is, added to the bundle."""

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from plans_of_the_host import NAME, CpuCard, PlansOfTheHost

import eerun
from eecompile.build import BuildSettings
from eecompile.device_engines import EnginesSettings, build_engines
from eecompile.device_engines.after_build import engines_after_build
from eecompile.device_engines.card import find_card, local_target
from eengines.backends import DEVICE_BACKENDS
from eengines.engine import Capability
from eengines.errors import BundleError, DataError, EngineError, UserError
from eerun.bundle import Certificate, Fallback, amend_bundle, graphs_of, open_bundle, policy_digest


class Stages:
    """Keeps what a run tells."""

    def __init__(self):
        self.titles, self.details, self.warnings, self.shares = [], [], [], []

    def stage(self, title):
        import contextlib

        self.titles.append(title)
        return contextlib.nullcontext()

    def progress(self, share):
        self.shares.append(share)

    def detail(self, text):
        self.details.append(text)

    def warn(self, text):
        self.warnings.append(text)


@pytest.fixture
def stages():
    return Stages()


@pytest.fixture
def settings(monkeypatch):
    """Fast ones, for a backend that builds for a T4 on this machine."""
    monkeypatch.setitem(DEVICE_BACKENDS, NAME, "plans_of_the_host:PlansOfTheHost")
    return EnginesSettings(engine=NAME, measure_seconds=0.0)


@pytest.fixture
def bundle(every_precision_for_t4, plain, tmp_path, monkeypatch):
    """A bundle with graphs for a T4, and its data beside it."""
    monkeypatch.setattr(PlansOfTheHost, "built", 0)
    path = tmp_path / "net.ee"
    shutil.copytree(every_precision_for_t4.path, path)
    shutil.copy(plain.path.with_suffix(".npz"), path.with_suffix(".npz"))
    return path


@pytest.fixture
def card(monkeypatch):
    """A card is here."""
    device = CpuCard(seed=4)
    monkeypatch.setattr("eengines.devices.cuda.probe_cuda", lambda *_: Capability(ok=True, reason="a card"))
    monkeypatch.setattr("eengines.devices.cuda.open_cuda_device", lambda _: device)
    return device


def test_measured_tuned_and_added(bundle, card, stages, settings):
    before = open_bundle(bundle)
    report = build_engines(bundle, settings, stages)
    after = open_bundle(bundle)
    after.verify_files()
    precisions = {entry.precision for entry in before.manifest.targets}
    assert {each.costs.precision for each in report.configurations} == precisions
    assert report.target == "NVIDIA T4"
    new = after.manifest.configurations[: len(precisions)]
    assert [entry.name for entry in new] == [each.name for each in report.configurations]
    assert after.manifest.configurations[len(precisions) :] == before.manifest.configurations
    expected = [each.expected_ms for each in report.configurations]
    assert expected == sorted(expected)
    assert all(each.tuned and each.agreement >= 0.98 for each in report.configurations)
    assert {plan.status for plan in report.plans} == {"built"}
    assert PlansOfTheHost.built == len(report.plans) == len(precisions) * (len(before.manifest.segments) + 1)
    x = np.load(bundle.with_suffix(".npz"))["x"][:100]
    model = eerun.load(bundle, device=card)
    assert (model.engine, model.precision) == (NAME, report.configurations[0].costs.precision)
    agree = model.infer(x).labels == eerun.load(bundle, engine="onnxruntime", precision="float32").infer(x).labels
    assert agree.mean() > 0.95


def test_a_second_run_builds_nothing_and_replaces(bundle, card, stages, settings):
    build_engines(bundle, settings, stages)
    built, names = PlansOfTheHost.built, [entry.name for entry in open_bundle(bundle).manifest.configurations]
    report = build_engines(bundle, settings, stages)
    assert PlansOfTheHost.built == built
    assert {plan.status for plan in report.plans} == {"hit"}
    assert sorted(entry.name for entry in open_bundle(bundle).manifest.configurations) == sorted(names)


def test_new_configurations_have_no_certificate_and_a_lost_one_is_said(bundle, card, stages, settings):
    build_engines(bundle, settings, stages)
    opened = open_bundle(bundle)
    entry, policy = opened.manifest.configurations[0], opened.policy(opened.manifest.configurations[0])
    fallback = Fallback(thresholds=policy.thresholds, bound=0.1, disagreement=0.1)
    policy = replace(policy, fallbacks=(fallback,))
    certificate = Certificate(
        risk="disagreement",
        limit=0.1,
        confidence=0.9,
        method="betting",
        samples=100,
        bound=0.1,
        disagreement=0.1,
        split_sha256="0" * 64,
        graphs_sha256=graphs_of(opened.manifest, entry),
        policy_sha256=policy_digest(policy),
        engine=entry.engine,
        engine_version="1",
        precision=entry.precision,
        processor=card.name,
    )
    certified = replace(policy, certificate=certificate)
    amend_bundle(bundle, lambda manifest: manifest.configurations, {entry.policy: certified})
    build_engines(bundle, settings, stages)
    assert [word for word in stages.warnings if "certificate" in word] == [
        f"certificate of {entry.name}: its engines are new; certify again with `eecompile tune --certify`"
    ]
    policies = [open_bundle(bundle).policy(each) for each in open_bundle(bundle).manifest.configurations]
    assert all(each.certificate is None and each.fallbacks == () for each in policies)


def test_an_interrupted_run_goes_on_where_it_was(bundle, card, stages, monkeypatch, settings):
    class Interrupted(Stages):
        def progress(self, share):
            super().progress(share)
            if len(self.shares) == 5:  # before the third plan is built
                raise KeyboardInterrupt

    manifest = (bundle / "manifest.json").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        build_engines(bundle, settings, Interrupted())
    assert (bundle / "manifest.json").read_bytes() == manifest
    built = PlansOfTheHost.built
    assert built == 2
    report = build_engines(bundle, settings, stages)
    assert PlansOfTheHost.built == len(report.plans)
    assert [plan.status for plan in report.plans].count("hit") == built


def test_ahead_of_time_builds_plans_and_measures_nothing(bundle, stages, settings):
    manifest = (bundle / "manifest.json").read_bytes()
    report = build_engines(bundle, replace(settings, target="t4"), stages)
    assert report.configurations == ()
    assert (bundle / "manifest.json").read_bytes() == manifest
    assert all(plan.status == "built" for plan in report.plans)


def test_plans_built_ahead_are_found_on_the_card(bundle, stages, request, settings):
    build_engines(bundle, replace(settings, target="t4"), stages)
    built = PlansOfTheHost.built
    request.getfixturevalue("card")
    report = build_engines(bundle, settings, stages)
    assert report.configurations
    assert PlansOfTheHost.built == built
    eerun.load(bundle, device=CpuCard())
    assert PlansOfTheHost.built == built


def test_without_data_the_thresholds_of_the_build_stay(bundle, card, stages, settings):
    bundle.with_suffix(".npz").unlink()
    report = build_engines(bundle, settings, stages)
    after = open_bundle(bundle)
    for each in report.configurations:
        target = next(t for t in after.manifest.targets if t.precision == each.costs.precision)
        assert not each.tuned
        assert each.thresholds == after.read_policy(target.policy).thresholds
        assert each.agreement == target.agreement


def test_other_data_are_refused(bundle, card, stages, tmp_path, settings):
    arrays = dict(np.load(bundle.with_suffix(".npz")))
    arrays["x"] = arrays["x"][::-1].copy()
    np.savez(tmp_path / "other.npz", **arrays)
    with pytest.raises(DataError, match="is not the one that the bundle was tuned with"):
        build_engines(bundle, replace(settings, data=str(tmp_path / "other.npz")), stages)


def test_a_precision_that_is_refused_is_left_out(bundle, card, stages, monkeypatch, settings):
    monkeypatch.setattr(PlansOfTheHost, "refuse", b"QuantizeLinear")
    report = build_engines(bundle, settings, stages)
    assert "int8" not in {each.costs.precision for each in report.configurations}
    assert any(f"{NAME} int8: segment: the graph is refused" in reason for reason in report.skipped)
    with pytest.raises(EngineError, match="the graph is refused"):
        build_engines(bundle, replace(settings, precision="int8"), stages)


def test_what_answers_otherwise_than_float32_on_the_card_is_left_out(bundle, card, stages, settings):
    agreement = {
        each.costs.precision: each.agreement for each in build_engines(bundle, settings, stages).configurations
    }
    assert agreement["float32"] == 1.0 > agreement["int8"]
    strict = replace(settings, max_quant_drop=(1 - agreement["int8"]) / 2)
    report = build_engines(bundle, strict, stages)
    assert "int8" not in {each.costs.precision for each in report.configurations}
    assert any("of the answers differ from float32, allowed are" in reason for reason in report.skipped)
    here = [entry.precision for entry in open_bundle(bundle).manifest.configurations if entry.device is not None]
    assert sorted(here) == ["float16", "float32"]
    with pytest.raises(EngineError, match="of the answers differ from float32"):
        build_engines(bundle, replace(strict, precision="int8"), stages)


def test_other_buckets(bundle, card, stages, settings):
    report = build_engines(bundle, replace(settings, precision="float32", buckets=(8, 2)), stages)
    assert report.configurations[0].costs.buckets == (2, 8)
    assert eerun.load(bundle, engine=NAME, device=card).costs.max_batch == 8


def test_no_graphs_for_the_card(bundle, card, stages, settings):
    card.compute_capability = (8, 0)
    with pytest.raises(UserError, match=r"no graphs for sm_80 .* it has t4 float32"):
        build_engines(bundle, settings, stages)


def test_no_card(bundle, stages, settings):
    with pytest.raises(EngineError, match="no card is here"):
        build_engines(bundle, settings, stages)


def test_no_graphs_for_another_card(bundle, stages, settings):
    with pytest.raises(UserError, match=r"no graphs for sm_70 in precision auto; it has t4 float32, t4 float16"):
        build_engines(bundle, replace(settings, target="v100"), stages)


def test_no_backend_can_build(bundle, stages, settings, monkeypatch):
    monkeypatch.setattr(PlansOfTheHost, "probe_build", lambda *_: Capability(ok=False, reason="no compiler"))
    with pytest.raises(EngineError, match="plans-of-the-host: no compiler"):
        build_engines(bundle, replace(settings, target="t4"), stages)


def test_the_fastest_of_the_card_comes_first_whenever_it_was_measured(bundle, card, stages, settings):
    for precision in ("int8", "float32", "float16"):
        build_engines(bundle, replace(settings, precision=precision), stages)
    manifest = open_bundle(bundle).manifest
    expected = [entry.device.expected_us for entry in manifest.configurations if entry.device is not None]
    assert len(expected) == 3
    assert expected == sorted(expected)
    assert [entry.device is None for entry in manifest.configurations] == sorted(
        entry.device is None for entry in manifest.configurations
    )


def test_a_backend_that_builds_but_does_not_run_here_is_left_out(bundle, card, stages, settings, monkeypatch):
    class Elsewhere(PlansOfTheHost):
        def probe(self):
            return Capability(ok=False, reason="a build without CUDA")

    monkeypatch.setitem(DEVICE_BACKENDS, NAME, "plans_of_the_host:PlansOfTheHost")
    monkeypatch.setitem(DEVICE_BACKENDS, "elsewhere", "plans_of_the_host:Elsewhere")
    monkeypatch.setattr("plans_of_the_host.Elsewhere", Elsewhere, raising=False)
    report = build_engines(bundle, replace(settings, engine="auto"), stages)
    assert {each.costs.engine for each in report.configurations} == {NAME}
    assert "elsewhere: a build without CUDA" in report.skipped


def test_a_plan_that_the_card_refuses_costs_no_other(bundle, card, stages, settings, monkeypatch):
    load, calls = PlansOfTheHost.load, []

    def fail_first(self, plan, device):
        calls.append(plan)
        if len(calls) == 1:
            raise EngineError("plan", "the card refuses it", "Build it again")
        return load(self, plan, device)

    monkeypatch.setattr(PlansOfTheHost, "load", fail_first)
    report = build_engines(bundle, settings, stages)
    assert len(report.configurations) == 2
    assert any("the card refuses it" in reason for reason in report.skipped)
    assert len([e for e in open_bundle(bundle).manifest.configurations if e.device is not None]) == 2
    monkeypatch.setattr(PlansOfTheHost, "load", lambda *_: fail_first(None, None, calls.clear()))
    with pytest.raises(EngineError, match="the card refuses it"):
        build_engines(bundle, settings, stages)


def test_a_bundle_that_is_built_again_meanwhile_gets_no_thresholds_of_other_graphs(bundle, card, stages, settings):
    class BuiltAgain(Stages):
        def stage(self, title):
            if title == "write the bundle":
                manifest = json.loads((bundle / "manifest.json").read_text())
                graph = manifest["targets"][0]["segments"][0]
                (bundle / graph).write_bytes(b"another graph")
                digest = hashlib.sha256(b"another graph").hexdigest()
                manifest["files"][graph] = {"sha256": digest, "bytes": len(b"another graph")}
                (bundle / "manifest.json").write_text(json.dumps(manifest))
            return super().stage(title)

    with pytest.raises(BundleError, match="was built again meanwhile"):
        build_engines(bundle, settings, BuiltAgain())
    assert all(entry.device is None for entry in open_bundle(bundle).manifest.configurations)


def test_what_to_run_on_the_card_takes_these_plans(bundle, stages, settings, monkeypatch, tmp_path):
    chosen = replace(settings, target="t4", precision="float16", buckets=(1, 4), workspace_bytes=2**30)
    report = build_engines(bundle, chosen, stages)
    words = f"eecompile engines net.ee --trust-plans --engine {NAME} --precision float16 --buckets 1,4 --workspace 1024"
    assert report.next_command == words
    built = PlansOfTheHost.built
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "another user"))
    again = build_engines(bundle, replace(chosen, trust_plans=True), stages)
    assert PlansOfTheHost.built == built
    assert {plan.status for plan in again.plans} == {"hit"}
    assert {plan.status for plan in build_engines(bundle, chosen, stages).plans} == {"rebuilt"}


def test_plans_built_ahead_that_are_not_kept_are_an_error(bundle, stages, settings):
    with pytest.raises(EngineError, match="12 of 12 plans are not kept"):
        build_engines(bundle, replace(settings, target="t4", cache_bytes=100), stages)


def test_plans_that_do_not_fit_together_are_said(bundle, stages, settings):
    sizes = [plan.plan_bytes for plan in build_engines(bundle, replace(settings, target="t4"), stages).plans]
    build_engines(bundle, replace(settings, target="t4", cache_bytes=sum(sizes) // 2), stages)
    assert any("give a larger --cache-size" in warning for warning in stages.warnings)


def test_the_last_part_of_a_build_tunes_with_the_data_of_the_model(plain, bundle, card, stages, settings, monkeypatch):
    bundle.with_suffix(".npz").unlink()
    built = BuildSettings(output=bundle, target="v100,t4", measure_seconds=0.0)
    for name in [name for name in DEVICE_BACKENDS if name != NAME]:
        monkeypatch.delitem(DEVICE_BACKENDS, name)
    report = engines_after_build(plain.path, built, stages, needed=True)
    assert report is not None
    assert all(each.tuned for each in report.configurations)
    assert engines_after_build(plain.path, replace(built, target="v100"), stages, needed=True) is None
    monkeypatch.setattr(PlansOfTheHost, "probe_build", lambda *_: Capability(ok=False, reason="no compiler"))
    with pytest.raises(EngineError, match="no compiler"):
        engines_after_build(plain.path, built, stages, needed=True)
    assert engines_after_build(plain.path, built, stages, needed=False) is None
    assert "no compiler" in stages.warnings[-1]


def test_more_rows_than_a_device_takes_are_refused_before_anything_is_built(bundle, stages, settings):
    with pytest.raises(UserError, match=r"--buckets: got 8,4097, expected numbers up to 4096"):
        build_engines(bundle, replace(settings, target="t4", buckets=(8, 4097)), stages)
    assert PlansOfTheHost.built == 0


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ({"target": "cpu"}, "--target"),
        ({"engine": "onnxruntime"}, "--engine"),
        ({"precision": "int4"}, "--precision"),
        ({"max_drop": 2.0}, "--max-drop"),
        ({"max_quant_drop": -0.1}, "--max-quant-drop"),
        ({"buckets": (0,)}, "--buckets"),
        ({"buckets": ()}, "--buckets"),
        ({"buckets": (8, -1)}, "--buckets"),
        ({"workspace_bytes": 2**41}, "--workspace"),
        ({"workspace_bytes": 0}, "--workspace"),
        ({"optimisation_level": 6}, "--optimisation-level"),
        ({"cache_bytes": -1}, "--cache-size"),
        ({"device": -1}, "--device"),
        ({"measure_seconds": -1.0}, "--measure-seconds"),
    ],
)
def test_settings_are_checked(change, flag):
    with pytest.raises(UserError, match=flag):
        EnginesSettings(**change)


def test_the_name_of_the_card_that_is_here(card):
    assert local_target(0) == "t4"
    assert find_card("t4", 0).device is card
    assert find_card("v100", 0).device is None
    card.compute_capability = (9, 0)
    card.name = "NVIDIA H200"
    assert local_target(0) == "h200"
    card.compute_capability = (3, 5)
    with pytest.raises(EngineError, match="sm_35, which no target has"):
        local_target(0)


def test_the_command_ahead_of_time(every_precision_for_t4, tmp_path, command_environment):
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed: pip install 'eecompile[rtx]'")
    path = tmp_path / "net.ee"
    shutil.copytree(every_precision_for_t4.path, path)
    command = ["eecompile", "engines", str(path), "--target", "t4", "--precision", "float16", "--json", "out.json"]
    outputs = []
    for _ in range(2):
        done = subprocess.run(
            command, cwd=tmp_path, env=command_environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        outputs.append(done.stdout)
    assert "Not measured: the card is not here" in outputs[0]
    assert "tensorrt_rtx float16, segment 0" in outputs[0]
    statuses = {plan["status"] for plan in json.loads((tmp_path / "out.json").read_text())["plans"]}
    assert statuses == {"hit"}
    open_bundle(path).verify_files()
