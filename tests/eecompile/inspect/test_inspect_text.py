"""What `eecompile inspect` says of the digits bundle, and of things that are none."""

import json
import re
import shutil
from datetime import UTC, datetime

import onnx
import pytest
from plans_of_the_host import PlansOfTheHost

from eecompile.inspect import inspect_text
from eecompile.inspect.wrapped import listed
from eengines.device_engine import PlanOptions
from eengines.engine_cache import EngineCache
from eengines.errors import IngestError, UserError
from eerun.bundle import open_bundle


@pytest.fixture(scope="module")
def text(digits_bundle):
    return inspect_text(digits_bundle, nodes=False, ranges=False)


def section(text, title):
    return re.search(rf"^---- [^\n]*{re.escape(title)}.*?(?=^\n|\Z)", text, re.MULTILINE | re.DOTALL)[0]


def test_it_fits_a_terminal(text, digits_bundle):
    every = inspect_text(digits_bundle, nodes=True, ranges=True)
    lines = [line for line in (text + every).splitlines() if str(digits_bundle) not in line]
    assert max(map(len, lines)) <= 100


def test_configurations_come_in_the_order_of_the_manifest(text, digits_bundle):
    entries = open_bundle(digits_bundle).manifest.configurations
    lines = section(text, "configuration(s)").splitlines()[2:-1]
    assert [line.split("  ")[0].removesuffix(" →") for line in lines] == [f"{e.engine} {e.precision}" for e in entries]
    assert ["→" in line for line in lines] == [True] + [False] * (len(entries) - 1)
    assert all(f"{e.agreement:.2%}".replace("%", " %") in line for e, line in zip(entries, lines, strict=True))


def test_precision_and_boundaries_are_those_of_the_graphs(text, digits_bundle):
    bundle = open_bundle(digits_bundle)
    chosen = bundle.manifest.configurations[0]
    models = [onnx.load_model_from_string(bundle.read(file)) for file in chosen.segments]
    segments = section(text, f"segment(s) in {chosen.engine} {chosen.precision}")
    weighted = [sum(n.op_type in ("Conv", "Gemm", "MatMul") for n in model.graph.node) for model in models]
    present = re.findall(r"in (int8|float16|bfloat16|float32)\b", segments.splitlines()[1])
    for index, count in enumerate(weighted):
        row = next(line for line in segments.splitlines() if line.startswith(f"segment {index}")).split()
        assert sum(map(int, row[3 : 3 + len(present)])) == count
    (crossing,) = (value for value in models[1].graph.input)
    kind = {2: "uint8", 1: "float32", 16: "bfloat16", 10: "float16"}[crossing.type.tensor_type.elem_type]
    assert f"boundary 0→1: {crossing.name} {kind} [" in segments


def test_ranges_are_shown_in_part_and_on_demand_in_full(text, digits_bundle):
    from eecalib.int8.ranges import Ranges

    bundle = open_bundle(digits_bundle)
    ranges = bundle.read_json(bundle.manifest.ranges, Ranges)
    part = section(text, f"INT8 ranges: {ranges.method}, calibrated on {ranges.calibrate_on}")
    assert ", ".join(f"{n} in segment {k}" for k, n in enumerate(ranges.samples)) in part
    assert "5 widest and the 5 narrowest" in part
    rows = section(inspect_text(digits_bundle, nodes=False, ranges=True), "INT8 ranges").splitlines()[4:]
    assert {row.split()[-1] for row in rows} == set(ranges.tensors)
    assert [int(row.split()[0]) for row in rows] == sorted(int(row.split()[0]) for row in rows)
    widest = max(ranges.tensors, key=lambda name: ranges.tensors[name].amax)
    assert part.splitlines()[4].split()[-1] == widest


def test_nodes_have_the_names_that_keep_float_takes(digits_bundle):
    file = digits_bundle / "segments" / "0.onnx"
    names = [node.name for node in onnx.load(file).graph.node]
    assert len(names) <= 40
    shown = inspect_text(file, nodes=False, ranges=False).splitlines()
    assert [line.split()[-1] for line in shown[-len(names) :]] == names
    everything = inspect_text(digits_bundle, nodes=True, ranges=False)
    assert all(f" {name}\n" in everything for name in names)


def test_long_graphs_show_nodes_on_demand(digits_bundle):
    bundle = open_bundle(digits_bundle)
    entry = next(e for e in bundle.manifest.configurations if e.precision == "int8")
    file = digits_bundle / entry.whole
    assert "add --nodes" in inspect_text(file, nodes=False, ranges=False)
    shown = inspect_text(file, nodes=True, ranges=False)
    assert "QuantizeLinear" not in shown.partition("---- Nodes")[2]
    assert re.search(r"^Conv +int8 +\S+$", shown, re.MULTILINE)


def test_targets_and_bundles_without_ranges(digits_bundle, tmp_path):
    copy = tmp_path / "model.ee"
    shutil.copytree(digits_bundle, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    entry = next(c for c in manifest["configurations"] if c["precision"] == "float32")
    kept = ("precision", "segments", "whole", "policy", "agreement")
    manifest |= {"ranges": None, "targets": [{"target": "p100", "opset": 17, **{k: entry[k] for k in kept}}]}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    shown = inspect_text(copy, nodes=False, ranges=True)
    assert "INT8 ranges: none" in shown
    assert re.search(r"^p100 float32 +17 +100\.00 % +\d+ in float32$", shown, re.MULTILINE)


def test_kept_plans(digits_bundle, text, tmp_path, monkeypatch):
    copy = tmp_path / "model.ee"
    shutil.copytree(digits_bundle, copy)
    assert "Plans kept" not in text
    cache = EngineCache(copy / "engines", max_bytes=10**9, key=None)
    for version, graph in (("1.0", b"old"), ("1.0", b"new"), ("2.0", b"old")):
        monkeypatch.setattr(PlansOfTheHost, "version", version)
        options = PlanOptions(buckets=(1,), compute_capability=(7, 5))
        cache.fetch(PlansOfTheHost(), graph, options, label=f"float32, {graph.decode()} segment {'x' * 80}")
    (copy / "engines" / f"{'f' * 64}.plan").write_bytes(b"damaged")
    shown = inspect_text(copy, nodes=False, ranges=False)
    assert max(len(line) for line in shown.splitlines() if str(copy) not in line) <= 100
    lines = section(shown, "Plans kept in the bundle: 4, 0.00 MiB").splitlines()
    assert lines[1] == "For plans of the host 1.0, compute capability (7, 5):"
    assert "new segment xxx" in lines[3]
    assert "old segment xxx" in lines[4]
    assert f"{datetime.now(UTC):%Y-%m-%d}" in lines[3]
    assert lines[5].startswith("For plans of the host 2.0")
    assert lines[8] == "Cannot be used, built again where they are needed:"
    assert lines[10].startswith("  ffffffff…: it begins with b'damaged'")


def test_a_folder_of_plans_that_is_a_link(digits_bundle, tmp_path):
    copy = tmp_path / "model.ee"
    shutil.copytree(digits_bundle, copy)
    (copy / "engines").symlink_to(tmp_path)
    assert inspect_text(copy, nodes=False, ranges=False).endswith("\nengines: a link, which is not used")


def test_what_cannot_be_shown_is_refused(digits_bundle, tmp_path):
    model, graph = digits_bundle.parent / "model.pt", digits_bundle / "segments" / "0.onnx"
    assert "branchy_cnn" in inspect_text(model, nodes=False, ranges=False)
    with pytest.raises(UserError, match="no graph"):
        inspect_text(model, nodes=True, ranges=False)
    with pytest.raises(UserError, match="is not a bundle"):
        inspect_text(graph, nodes=False, ranges=True)
    with pytest.raises(UserError, match="neither a bundle nor"):
        inspect_text(tmp_path, nodes=False, ranges=False)
    (tmp_path / "bad.onnx").write_bytes(b"not a graph")
    with pytest.raises(IngestError, match="not an ONNX file"):
        inspect_text(tmp_path / "bad.onnx", nodes=False, ranges=False)


def test_lists_break_between_items_only():
    lines = listed("Made with:", [f"library {k}.0" for k in range(40)])
    assert len(lines) > 3
    assert max(map(len, lines)) <= 100
    assert not any(line.strip().startswith(f"{k}.0") for line in lines for k in range(40))
