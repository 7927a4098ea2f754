"""How a network is folded: read, written, checked against what does not go together with it."""

import json
from dataclasses import replace

import pytest
from bundle_maker import configuration, manifest, write

from eengines.errors import BundleError
from eerun.bundle import (
    BundleWriter,
    Certificate,
    FoldEntry,
    InputEntry,
    LengthEntry,
    PolicyFile,
    graphs_of,
    open_bundle,
    policy_digest,
    rewrite_bundle,
    why_void,
)
from eerun.folding import Easiness, GroupExit, Grouping

FOLD = FoldEntry(factor=4, widths="multiple-of-8")
EASINESS = Easiness(input="x", channel_axis=0, coefficients=(1.0, 2.0), intercept=0.5)


def test_fold_and_easiness_come_back(tmp_path):
    path = tmp_path / "m.ee"
    write(path, fold=FOLD)
    assert open_bundle(path).manifest.images_a_row == 4
    assert open_bundle(path).easiness() is None
    rewrite_bundle(path, lambda old: replace(old, easiness="policy/easiness.json"), {"policy/easiness.json": EASINESS})
    assert open_bundle(path).easiness() == EASINESS
    open_bundle(path).verify_files()
    rewrite_bundle(path, lambda old: replace(old, easiness=None), {})
    assert "policy/easiness.json" not in open_bundle(path).manifest.files


def test_a_manifest_of_2_3_is_not_folded(tmp_path):
    path = tmp_path / "m.ee"
    write(path)
    file = path / "manifest.json"
    record = json.loads(file.read_text())
    del record["fold"], record["easiness"]
    file.write_text(json.dumps({**record, "schema": "eecompile.bundle/2.3"}))
    bundle = open_bundle(path)
    assert (bundle.manifest.fold, bundle.manifest.images_a_row) == (None, 1)
    assert bundle.policy(bundle.manifest.chosen).group_exit is GroupExit.ALL


IMAGE = InputEntry(name="x", dtype="float32", shape=(3, 8, 8))
TEXT = InputEntry(name="ids", dtype="int64", shape=(8,), sequence=0, pad=1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fold": FoldEntry(factor=1, widths="exact")}, "got fold factor 1 with widths 'exact', expected 2 or more"),
        ({"fold": FoldEntry(factor=2, widths="wide")}, "with widths 'wide', expected 2 or more with multiple-of-8 or"),
        ({"task": "segmentation"}, "folded by 4, but its task is 'segmentation'"),
        ({"inputs": (IMAGE, replace(IMAGE, name="y"))}, "folded by 4, but takes x, y, expected one input"),
        (
            {
                "inputs": (TEXT,),
                "lengths": (LengthEntry(length=8, share=1.0),),
                "configurations": (configuration(length_costs=("costs/costs.json",)),),
            },
            "but has a sequence axis",
        ),
        ({"configurations": (configuration(heads=("segments/0.onnx",)),)}, "has heads as graphs of their own"),
        ({"fold": None, "easiness": "policy/policy.json"}, "the network is not folded"),
        ({"easiness": "policy/easiness.json"}, "is used but not listed"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, changes, words):
    write(tmp_path / "m.ee", **{"fold": FOLD, **changes})
    with pytest.raises(BundleError, match=words):
        open_bundle(tmp_path / "m.ee")


def test_a_rule_that_nobody_knows_is_refused(tmp_path):
    path = tmp_path / "m.ee"
    write(path, fold=FOLD)
    policy = {"policy": "margin", "thresholds": [0.5], "group_exit": "some"}
    rewrite_bundle(path, lambda old: old, {"policy/policy.json": policy})
    with pytest.raises(BundleError, match="some"):
        open_bundle(path).policy(manifest().configurations[0])


@pytest.mark.parametrize("rule", list(GroupExit))
def test_a_rule_comes_back(tmp_path, rule):
    with BundleWriter(tmp_path / "m.ee") as writer:
        writer.add_json("policy/policy.json", PolicyFile(policy="margin", thresholds=(0.5,), group_exit=rule))
        for name in ("segments/0.onnx", "segments/1.onnx", "segments/whole.onnx", "costs/costs.json"):
            writer.add(name, b"1")
        writer.add_json("report/summary.json", {})
        writer.finish(manifest(fold=FOLD))
    bundle = open_bundle(tmp_path / "m.ee")
    assert bundle.policy(bundle.manifest.chosen).group_exit is rule


@pytest.mark.parametrize(
    ("fold", "rule", "grouping", "words"),
    [
        (FOLD, GroupExit.ALL, Grouping.ARRIVAL, ()),
        (FOLD, GroupExit.FIRST, Grouping.ARRIVAL, ("group exit 'all' was certified, here is 'first'",)),
        (FOLD, GroupExit.ALL, Grouping.EASY, ("grouping 'arrival' was certified, here is 'easy'",)),
        (None, GroupExit.FIRST, Grouping.EASY, ()),
    ],
)
def test_a_certificate_of_other_groups_is_void(tmp_path, fold, rule, grouping, words):
    path = tmp_path / "m.ee"
    write(path, fold=fold)
    opened = open_bundle(path).manifest
    policy = PolicyFile(policy="margin", thresholds=(0.5,), group_exit=rule)
    certificate = Certificate(
        risk="disagreement",
        limit=0.01,
        confidence=0.9,
        method="betting",
        samples=100,
        bound=0.01,
        disagreement=0.01,
        split_sha256="0" * 64,
        graphs_sha256=graphs_of(opened, opened.chosen),
        policy_sha256=policy_digest(policy),
        engine="onnxruntime",
        engine_version="1",
        precision="float32",
        processor="p",
    )
    here = {"engine": "onnxruntime", "engine_version": "1", "processor": "p", "grouping": grouping}
    found = why_void(certificate, opened, opened.chosen, policy, **here)
    assert (found or "").split("; ") == list(words or [""])
