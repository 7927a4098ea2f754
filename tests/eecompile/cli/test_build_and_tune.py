"""`eecompile build` with a policy that is fitted, with all of them, and with a promise."""

import json

import numpy as np
import onnx
import pytest
from fitted_networks import SCALE, FittedNetwork
from tunable_bundles import TunableBundle, draw_splits
from typer.testing import CliRunner

import eerun
from eecompile.cli.main import app
from eecompile.tune.after_build import AfterBuild, built_policy
from eengines.errors import BuildError, UserError

FLAGS = (
    *("--input-dtype", "uint8", "--scale", str(SCALE), "--mean", "1", "--std", "1"),
    *("--threads", "2", "--max-batch", "16", "--buckets", "1,16", "--measure-seconds", "0", "--max-drop", "2%"),
)


@pytest.fixture
def typed(tmp_path, monkeypatch):
    """Build a network in a folder of its own; what is printed."""
    maker = FittedNetwork()
    maker.fit()
    onnx.save(maker.model(), tmp_path / "net.onnx")
    np.savez(tmp_path / "net.npz", **draw_splits())
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["build", "net.onnx", *FLAGS, *arguments], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return " ".join(done.stdout.split())

    return run


def test_a_fitted_policy_with_a_promise_for_every_engine_and_precision(typed, tmp_path):
    shown = typed("--policy", "gati", "--certify", "6%", "--confidence", "90%")
    assert "On test (300 samples, max-probability)" in shown, "the build first"
    assert "Chosen: gati;" in shown
    assert "Promise: accuracy drop of at most 6.00%" in shown
    made = TunableBundle(path=tmp_path / "net.ee")
    entries = made.bundle.manifest.configurations
    assert {entry.engine for entry in entries} == {"onnxruntime", "openvino"}
    assert {"float32", "int8"} <= {entry.precision for entry in entries}
    for entry in entries:
        policy = made.bundle.policy(entry)
        assert policy.policy == "gati"
        result = eerun.load(made.path, engine=entry.engine, precision=entry.precision, threads=2).infer(
            made.arrays["x_test"]
        )
        assert (result.labels == made.arrays["y_test"]).mean() > 0.85
    model = eerun.load(made.path, threads=2)
    assert model.void is None
    assert model.certificate.limit == 0.06


def test_several_policies_and_fewer_exits(typed, tmp_path):
    shown = typed(
        "--policy", "max-probability,margin", "--select-exits", "--precision", "float32", "-o", "other.ee",
        "--json", "summary.json",
    )  # fmt: skip
    assert "PASSED | other.ee" in shown
    made = TunableBundle(path=tmp_path / "other.ee")
    written = json.loads((tmp_path / "summary.json").read_text())
    assert written == json.loads(made.bundle.read("report/summary.json"))
    assert [each["exit"] for each in written["segments"]] == [*made.bundle.manifest.exits]
    assert written["policy"] == made.bundle.policy(made.bundle.manifest.chosen).policy
    assert {made.bundle.policy(entry).policy for entry in made.bundle.manifest.configurations} <= {
        "max-probability",
        "margin",
    }
    assert 2 <= len(made.bundle.manifest.exits) <= 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--policy", "gati", "--thresholds", "0.5,0.5"), "--thresholds: got thresholds by hand"),
        (("--policy", "magic"), "--policy: got 'magic'"),
        (("--policy", "gati,magic"), "--policy: got 'magic'"),
        (("--certify", "100%"), "--certify: got 1"),
        (("--certify", "1%", "--certify-method", "magic"), "magic"),
        (("--select-exits", "--split-heads"), "--split-heads: got it together with --select-exits"),
        (("--select-exits", "--target", "t4,v100"), "--select-exits: graphs for t4, v100 would have the exits"),
    ],
)
def test_what_cannot_be_tuned_is_refused_before_the_build(typed, tmp_path, arguments, message):
    with pytest.raises(UserError, match=message):
        typed(*arguments)
    assert not (tmp_path / "net.ee").exists()


def test_without_a_promise_the_bundle_is_there_as_it_was_built(typed, tmp_path):
    flags = ("--policy", "margin", "--certify", "0.1%", "--precision", "float32", "--engine", "onnxruntime")
    with pytest.raises(BuildError, match=r"--certify 0\.10%: .*; net\.ee was built, and has no promise\. Give more"):
        typed(*flags)
    bundle = TunableBundle(path=tmp_path / "net.ee").bundle
    assert bundle.policy(bundle.manifest.chosen).certificate is None


@pytest.mark.parametrize(
    ("policies", "changes", "built", "needed"),
    [
        (("margin",), {}, "margin", False),
        (("gati",), {}, "max-probability", True),
        (("all",), {}, "max-probability", True),
        (("margin", "patience"), {}, "max-probability", True),
        (("margin",), {"certify": 0.01}, "margin", True),
        (("margin",), {"select_exits": True}, "margin", True),
        (("margin",), {"split_heads": True}, "margin", True),
        (("margin",), {"split_heads": False}, "margin", False),
    ],
)
def test_what_is_tuned_after_the_build(policies, changes, built, needed):
    wish = AfterBuild(
        **{
            "policies": policies,
            "select_exits": False,
            "split_heads": None,
            "certify": None,
            "confidence": 0.95,
            "certify_method": "betting",
            **changes,
        }
    )
    assert built_policy(policies) == built
    assert wish.needed == needed
