"""Heads as graphs of their own: listed, complete, with their costs, on the CPU only."""

from dataclasses import replace

import pytest
from bundle_maker import configuration, manifest

from eengines.errors import BundleError
from eerun.blend_costs import blend_costs
from eerun.bundle import BundleWriter, DeviceEntry, PolicyFile, open_bundle, rewrite_bundle
from eerun.costs import CostTable

HEAD = "segments/head_0.onnx"
COSTS = CostTable(
    engine="onnxruntime",
    precision="float32",
    device="test",
    buckets=(1, 4),
    segment_ms=((1.0, 2.0), (1.0, 2.0)),
    whole_ms=(2.0, 4.0),
    move_ms=(0.01,),
    head_ms=((0.5, 1.0),),
)


def write(target, *, costs=COSTS, **changes) -> None:
    with BundleWriter(target) as writer:
        for name in ("segments/0.onnx", "segments/1.onnx", "segments/whole.onnx", HEAD):
            writer.add(name, name.encode())
        writer.add_json("policy/policy.json", PolicyFile(policy="margin", thresholds=(0.5,)))
        writer.add_json("costs/costs.json", costs)
        writer.add_json("report/summary.json", {})
        writer.finish(manifest(configurations=(configuration(**{"heads": (HEAD,), **changes}),)))


def test_heads_are_read_with_their_costs(tmp_path):
    write(tmp_path / "m.ee")
    bundle = open_bundle(tmp_path / "m.ee")
    bundle.verify_files()
    (way,) = bundle.manifest.configurations
    assert way.heads == (HEAD,)
    assert bundle.read(HEAD) == HEAD.encode()
    assert bundle.costs(way) == COSTS


def test_a_changed_bundle_keeps_heads_or_drops_them(tmp_path):
    path = tmp_path / "m.ee"
    write(path)
    rewrite_bundle(path, lambda manifest: replace(manifest, source="new.pt"), {HEAD: b"new"})
    assert open_bundle(path).read(HEAD) == b"new"
    fused = replace(COSTS, head_ms=())
    rewrite_bundle(
        path, lambda manifest: replace(manifest, configurations=(configuration(),)), {"costs/costs.json": fused}
    )
    bundle = open_bundle(path)
    assert HEAD not in bundle.manifest.files
    assert bundle.costs(bundle.manifest.configurations[0]) == fused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": ("segments/other.onnx",)}, "'segments/other.onnx' is used but not listed"),
        ({"heads": (HEAD, HEAD)}, "onnxruntime-float32 has 2 graphs of heads, expected one for each early exit"),
    ],
)
def test_heads_that_are_not_there_are_refused(tmp_path, changes, message):
    write(tmp_path / "m.ee", **changes)
    with pytest.raises(BundleError, match=message):
        open_bundle(tmp_path / "m.ee")


def test_a_card_has_heads_in_its_segments(tmp_path):
    card = DeviceEntry(
        name="NVIDIA T4", compute_capability="7.5", expected_us=1.0, workspace_bytes=None, optimisation_level=None
    )
    write(tmp_path / "m.ee")
    both = (configuration(device=card, heads=(HEAD,)), configuration(heads=(HEAD,)))
    rewrite_bundle(tmp_path / "m.ee", lambda manifest: replace(manifest, configurations=both), {})
    with pytest.raises(BundleError, match="has 1 graphs of heads, expected one for each early exit, on the CPU"):
        open_bundle(tmp_path / "m.ee")


@pytest.mark.parametrize(("heads", "costs"), [((HEAD,), replace(COSTS, head_ms=())), ((), COSTS)])
def test_costs_must_be_those_of_the_graphs(tmp_path, heads, costs):
    write(tmp_path / "m.ee", heads=heads, costs=costs)
    bundle = open_bundle(tmp_path / "m.ee")
    with pytest.raises(BundleError, match=r"got costs of \d heads, expected \d"):
        bundle.costs(bundle.manifest.configurations[0])


def test_costs_of_heads_are_blended_over_lengths():
    twice = replace(COSTS, head_ms=((1.0, 2.0),))
    assert blend_costs({8: COSTS, 16: twice}, {8: 1.0, 16: 0.0}).head_ms == COSTS.head_ms
    (row,) = blend_costs({8: COSTS, 16: twice}, {8: 0.5, 16: 0.5}).head_ms
    assert row[0] == pytest.approx(0.75)
