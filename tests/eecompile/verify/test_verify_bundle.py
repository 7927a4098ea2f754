"""Every configuration of a bundle is checked, and a wrong one is named."""

import re

import numpy as np
import pytest

from eecompile.verify import verify
from eecompile.verify.check import check as compare
from eecompile.verify.logits import Logits
from eengines.engine_cache import CheckedFolder
from eengines.errors import BundleError, EngineError, UserError


def run(path, *, data=None, engine="auto", precision="auto", samples=128):
    return verify(path, data=data, engine=engine, precision=precision, samples=samples)


@pytest.fixture(scope="module")
def verified(digits_bundle):
    return run(digits_bundle)


def test_every_configuration_is_checked(verified, digits_bundle):
    from eerun.bundle import open_bundle

    entries = open_bundle(digits_bundle).manifest.configurations
    assert [check.name for check in verified.checks] == [f"{e.engine} {e.precision}" for e in entries]
    assert len(entries) >= 4
    assert {check.precision for check in verified.checks} >= {"float32", "int8"}
    assert (verified.kind, verified.samples, verified.skipped) == ("real", 128, ())


def test_errors_grow_as_precision_falls(verified):
    worst = {check.precision: max(check.exit_errors) for check in verified.checks}
    assert worst["float32"] < 1e-5
    assert 1e-4 < worst["int8"] < 0.15
    assert all(len(check.exit_errors) == 3 for check in verified.checks)
    for check in verified.checks:
        assert check.whole_error <= check.allowed_error
        assert (check.least_agreement is None) == (check.precision == "float32")


def test_engine_and_precision_restrict(digits_bundle):
    assert {c.name.split()[0] for c in run(digits_bundle, engine="onnxruntime", samples=8).checks} == {"onnxruntime"}
    only = run(digits_bundle, engine="onnxruntime", precision="int8", samples=8)
    assert [c.name for c in only.checks] == ["onnxruntime int8"]
    assert [c.name for c in run(digits_bundle, engine="reference", samples=2).checks] == ["reference float32"]


def test_what_is_not_there_is_refused(digits_bundle):
    with pytest.raises(UserError, match="no configuration for --engine onnxruntime --precision float16"):
        run(digits_bundle, engine="onnxruntime", precision="float16")
    with pytest.raises(UserError, match="known are auto"):
        run(digits_bundle, engine="abacus")


def test_random_samples_promise_no_agreement(changeable):
    (changeable.path.parent / "model.npz").unlink()
    found = run(changeable.path, precision="int8", samples=32)
    assert found.kind == "random"
    assert [check.least_agreement for check in found.checks] == [None] * len(found.checks)


@pytest.mark.parametrize("segment", [0, 2])
def test_a_wrong_int8_segment_is_found_and_named(changeable, segment):
    entry = changeable.configuration("int8")
    changeable.negate_weights(entry["segments"][segment])
    exit_or_chain = "exit 'exit_0'|the chain's logits" if segment == 0 else "the chain's logits"
    with pytest.raises(BundleError, match=rf"{entry['engine']} int8: .*({exit_or_chain}).* expected at most 0\.25"):
        run(changeable.path, samples=32)


def test_a_wrong_float32_segment_is_not_blamed_on_others(changeable):
    changeable.negate_weights("segments/2.onnx")
    with pytest.raises(BundleError, match=re.escape("onnxruntime float32: the chain's logits differ from the whole")):
        run(changeable.path, engine="openvino", samples=32)


@pytest.mark.parametrize(
    ("shape", "share"), [((40, 2, 3), "97.50%"), ((40, 2, 3, 5, 4), "99.88%")], ids=["samples", "pixels"]
)
def test_answers_that_differ_too_often_are_found(shape, share):
    """Logits that are hardly off, but one answer is another: 1 of 40 samples, or of 800 pixels."""
    chain = np.random.default_rng(0).normal(0, 3, shape).astype(np.float32)
    chain[0, 1].reshape(3, -1)[:, 0] = 9.0, 8.99, 0.0
    other = chain.copy()
    other[0, 1].reshape(3, -1)[1, 0] = 9.01
    kept = Logits(chain=chain, whole=chain[:, 1])
    got = Logits(chain=other, whole=other[:, 1])
    rest = {"exits": ("early", "final"), "where": "m.ee"}
    found = compare(("openvino int8", "int8"), got, kept, **rest, least_agreement=0.9)
    assert f"{found.agreement:.2%}" == share
    with pytest.raises(BundleError, match=rf"int8: the final exit gives {share} .* expected at least 100\.00%"):
        compare(("openvino int8", "int8"), got, kept, **rest, least_agreement=1.0)


def test_an_engine_that_is_not_here_is_skipped_with_the_reason(changeable):
    manifest = changeable.manifest
    manifest["configurations"].append({**changeable.configuration("int8"), "engine": "abacus"})
    changeable.write_manifest(manifest)
    found = run(changeable.path, precision="int8", samples=8)
    assert found.skipped == ("abacus-int8: this eerun has no engine 'abacus'",)
    manifest["configurations"] = [
        {**changeable.configuration("int8"), "engine": "abacus"},
        changeable.configuration("float32"),
    ]
    changeable.write_manifest(manifest)
    with pytest.raises(EngineError, match="no engine 'abacus'"):
        run(changeable.path, precision="int8", samples=8)


@pytest.fixture
def with_target(changeable):
    """Graphs that serve as those for a GPU: the INT8 graphs for ONNX Runtime, under names of their own."""
    manifest = changeable.manifest
    source = next(c for c in manifest["configurations"] if (c["engine"], c["precision"]) == ("onnxruntime", "int8"))
    files = {}
    for name in (*source["segments"], source["whole"]):
        files[name] = f"targets/{name.rpartition('/')[2]}"
        (changeable.path / "targets").mkdir(exist_ok=True)
        changeable.write(files[name], (changeable.path / name).read_bytes())
    manifest = changeable.manifest
    manifest["targets"] = [
        {
            "target": "t4",
            "precision": "int8",
            "opset": 20,
            "segments": [files[name] for name in source["segments"]],
            "whole": files[source["whole"]],
            "policy": source["policy"],
            "agreement": source["agreement"],
        }
    ]
    changeable.write_manifest(manifest)
    return changeable


def test_graphs_for_other_devices_are_checked_too(with_target):
    names = [check.name for check in run(with_target.path, precision="int8", samples=32).checks]
    assert names[-1] == "t4 int8"
    assert "t4 int8" not in [c.name for c in run(with_target.path, engine="openvino", samples=8).checks]


def test_a_wrong_graph_for_another_device_is_named(with_target):
    with_target.negate_weights("targets/1.onnx")
    with pytest.raises(BundleError, match="t4 int8: "):
        run(with_target.path, samples=32)


def test_damaged_plans_are_counted_and_strange_files_refused(changeable):
    (changeable.path / "engines").mkdir()
    (changeable.path / "engines" / f"{'a' * 64}.plan").write_bytes(b"damaged")
    assert run(changeable.path, precision="float32").plans == CheckedFolder(damaged=1)
    (changeable.path / "engines" / "note.txt").touch()
    with pytest.raises(BundleError, match=r"does not list: engines/note\.txt"):
        run(changeable.path, precision="float32")
