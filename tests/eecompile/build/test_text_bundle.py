"""A network for texts, from checkpoint to answers: lengths come in buckets, and padding never matters."""

import json
import shutil
from dataclasses import replace

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from silent_stages import SilentStages
from text_networks import BEGIN, CLASSES, LONGEST, ONNX_LONGEST, WORDS, draw_texts, text_graph, write_encoder

import eerun
from eecompile.build import BuildSettings, build
from eecompile.checkpoint import build_module, load_checkpoint
from eecompile.device_engines import EnginesSettings, build_engines
from eecompile.inspect import inspect_text
from eecompile.session import run_model
from eecompile.verify import verify
from eengines.backends import load_backend
from eengines.devices.cpu import CpuDevice
from eengines.errors import BuildError, EngineError, InputError, UserError
from eerun.bench import BenchSettings, run_bench, text_report
from eerun.bundle import open_bundle
from eerun.cli.answer_data import answer_samples
from eerun.data import load_data

LENGTHS = (6, 13, LONGEST)
THRESHOLDS = (0.8, 0.7)
NEAR = 1e-4
"""Scores of two engines may differ by their rounding; a threshold nearer than this decides nothing."""


def encoder_settings(**changes) -> BuildSettings:
    return BuildSettings(
        factory="text_networks:make_encoder",
        threads=2,
        max_batch=4,
        buckets=(1, 4),
        lengths=LENGTHS,
        measure_seconds=0.0,
        thresholds=THRESHOLDS,
        max_quant_drop=0.1,
        **changes,
    )


@pytest.fixture(scope="module")
def text_model(tmp_path_factory):
    return write_encoder(tmp_path_factory.mktemp("text"), samples=300)


@pytest.fixture(scope="module")
def bundle_path(text_model):
    build(text_model, encoder_settings(), SilentStages())
    return text_model.with_suffix(".ee")


@pytest.fixture(scope="module")
def model(bundle_path):
    return eerun.load(bundle_path, engine="onnxruntime", precision="float32", threads=2)


@pytest.fixture(scope="module")
def network(text_model):
    return build_module(load_checkpoint(text_model), encoder_settings().factory)


texts = st.lists(st.lists(st.integers(2, WORDS - 1), max_size=LONGEST - 1), min_size=1, max_size=9)


def batch_of(tokens, width):
    """Texts padded to a width, each with the token that begins it."""
    ids = np.zeros((len(tokens), width), np.int64)
    for row, text in zip(ids, tokens, strict=True):
        row[: len(text) + 1] = [BEGIN, *text]
    return {"input_ids": ids, "attention_mask": (ids != 0).astype(np.int64)}


@settings(deadline=None, max_examples=40)
@given(texts, st.integers(0, LONGEST + 5))
def test_ragged_texts_get_the_answers_that_torch_gives_each_alone(model, network, tokens, more):
    longest = max(len(text) for text in tokens) + 1
    inputs = batch_of(tokens, longest + more)
    with torch.no_grad():
        alone = [network(*(torch.from_numpy(a) for a in batch_of([t], len(t) + 1).values())) for t in tokens]
    logits = np.stack([torch.cat(exits).numpy() for exits in alone])
    scores = np.exp(logits - logits.max(2, keepdims=True)).max(2) / np.exp(logits - logits.max(2, keepdims=True)).sum(2)
    assume((np.abs(scores[:, :2] - THRESHOLDS) > NEAR).all())
    leaves = np.where(scores[:, 0] >= THRESHOLDS[0], 0, np.where(scores[:, 1] >= THRESHOLDS[1], 1, 2))

    result = model.infer(inputs)

    rows = np.arange(len(tokens))
    assert result.exit_index.tolist() == leaves.tolist()
    assert np.allclose(result.outputs, logits[rows, leaves], atol=NEAR)
    assert np.allclose(result.confidence, scores[rows, leaves], atol=NEAR)
    assert sum(steps[0].entered for steps in result.steps) == len(tokens)
    off = model.infer(inputs, exits=False)
    assert np.allclose(off.outputs, logits[:, -1], atol=NEAR)


def test_every_sample_runs_in_the_smallest_bucket_that_holds_it(model):
    tokens = [[3] * n for n in (0, 5, 6, 12, 13, 23)]
    result = model.infer(batch_of(tokens, LONGEST))
    first = [steps[0] for steps in result.steps]
    assert [(step.length, step.rows) for step in first] == [(6, 2), (13, 2), (24, 2)]
    answered = [step.answered_ns for step in first]
    assert answered == sorted(answered), "times count from the start of the call"


def test_a_batch_larger_than_the_buckets_comes_back_in_order(model, text_model):
    samples = load_data(str(text_model.with_suffix(".npz")), input_names=["input_ids", "attention_mask"]).splits["all"]
    whole, _ = answer_samples(model, samples, batch=64, exits=True, progress=lambda _: None)
    single, _ = answer_samples(model, samples.take(np.arange(20)), batch=1, exits=True, progress=lambda _: None)
    assert np.array_equal(whole["exit_index"][:20], single["exit_index"])
    assert np.allclose(whole["outputs"][:20], single["outputs"], atol=NEAR)
    assert whole["outputs"].shape == (300, CLASSES)
    assert (whole["labels"] == samples.labels).mean() > 0.6


def test_what_is_too_long_or_ragged_in_itself_is_refused(model):
    with pytest.raises(InputError, match="got a length of 30, expected at most 24"):
        model.infer(batch_of([[3] * 28], 30))
    inputs = batch_of([[3] * 4], 8)
    with pytest.raises(InputError, match=r"'attention_mask'.*got a length of 6, another input has 8"):
        model.infer({**inputs, "attention_mask": inputs["attention_mask"][:, :6]})


def test_segments_declare_the_length_and_boundaries_keep_it(bundle_path):
    manifest = open_bundle(bundle_path).manifest
    shapes = {}
    for file in [segment.file for segment in manifest.segments]:
        graph = onnx.load(bundle_path / file).graph
        for value in (*graph.input, *graph.output):
            shapes[value.name] = [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
    assert shapes["input_ids"] == ["batch", "length"]
    assert [*shapes.values()].count(["batch", "length", 16]) == 2
    assert shapes["layer_0"] == ["batch", CLASSES]
    assert all(shape[0] == "batch" for shape in shapes.values())


def test_costs_are_kept_for_every_length_and_for_the_mixture(bundle_path):
    bundle = open_bundle(bundle_path)
    assert [entry.length for entry in bundle.manifest.lengths] == list(LENGTHS)
    assert sum(entry.share for entry in bundle.manifest.lengths) == pytest.approx(1)
    assert bundle.manifest.lengths[0].share > 0.3, "most texts are short"
    for way in bundle.manifest.configurations:
        tables = bundle.length_costs(way)
        assert [*tables] == list(LENGTHS)
        single = sum(e.share * tables[e.length].run_ms(0, 1) for e in bundle.manifest.lengths)
        assert bundle.costs(way).segment_ms[0][0] == pytest.approx(single)
    bundle.verify_files()


def test_every_configuration_answers_like_float32(bundle_path):
    names = {way.name for way in open_bundle(bundle_path).manifest.configurations}
    assert {"onnxruntime-float32", "openvino-float32"} <= names
    able = set(load_backend("openvino").probe().precisions)
    assert {"onnxruntime-int8", *(f"openvino-{precision}" for precision in able & {"bfloat16", "int8"})} <= names
    found = verify(bundle_path, data=None, engine="auto", precision="auto", samples=60)
    assert len(found.checks) + len(found.skipped) == len(names)
    assert all(check.agreement > (0.9 if check.precision == "int8" else 0.98) for check in found.checks)


def test_verify_draws_texts_where_there_are_none(bundle_path, tmp_path):
    target = tmp_path / "alone.ee"
    shutil.copytree(bundle_path, target)
    found = verify(target, data=None, engine="onnxruntime", precision="float32", samples=20)
    assert (found.kind, found.samples) == ("random", 20)


def test_inspect_shows_lengths_shares_and_costs(bundle_path):
    text = inspect_text(bundle_path, nodes=False, ranges=False)
    assert "Input: input_ids int64 [batch, up to 24], values 0 to 39, padded with 0" in text
    assert "Sequence lengths, with the share of the tune samples: 6 (" in text
    assert text.count("---- ms measured:") == 1 + len(LENGTHS)
    assert "float32 [24, 16]" in text, "boundaries at the greatest length"


def test_bench_races_padding_to_the_greatest_length(bundle_path):
    result = run_bench(
        BenchSettings(
            bundle=bundle_path,
            batch=8,
            duration_s=0.0,
            warm_up_ms=0.0,
            threads=2,
            engine="onnxruntime",
            precision="float32",
        ),
        lambda _: None,
    )
    assert result.padding is not None
    assert result.padding.lengths == LENGTHS
    assert result.padding.whole in result.baselines
    assert result.padding.whole_speed.samples == result.chain.samples
    assert result.quality.agreement_exits_off > 0.99
    assert result.oracle_ms > 0
    report = text_report(result)
    assert "chain with exits, all padded to 24" in report
    assert f"whole network, {result.baselines[result.padding.whole].words}, all padded to 24" in report
    assert "Length buckets 6, 13, 24: " in report
    assert "the fastest whole network with every sample padded to 24" in report


def test_the_summary_counts_costs_of_the_mixture(bundle_path):
    bundle = open_bundle(bundle_path)
    report = json.loads((bundle_path / bundle.manifest.report).read_text())
    costs = bundle.costs(bundle.manifest.chosen)
    trial = report["trials"][0]
    assert 0 < trial["expected_ms"] <= sum(row[-1] for row in costs.segment_ms) * 1.001


def test_a_network_that_attends_to_padding_is_refused(tmp_path):
    path = write_encoder(tmp_path, samples=60, masked=False, layers=2)
    with pytest.raises(BuildError, match=r"exit 'layer_0'.*samples of length 6 get other logits.*attention mask"):
        build(path, replace(encoder_settings(), thresholds=(0.8,)), SilentStages())
    assert not path.with_suffix(".ee").exists()


def test_devices_are_refused_by_name(bundle_path):
    with pytest.raises(EngineError, match="dynamic sequence length, which the device executor does not run yet"):
        eerun.load(bundle_path, engine="onnxruntime", device=CpuDevice())
    with pytest.raises(EngineError, match="dynamic sequence length, and such networks run on the CPU only"):
        build_engines(bundle_path, EnginesSettings(target="t4"), SilentStages())


@pytest.fixture(scope="module")
def text_onnx(tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")
    onnx.save(text_graph(), folder / "net.onnx")
    arrays, labels = draw_texts(100, seed=3, longest=ONNX_LONGEST)
    np.savez(folder / "net.npz", **arrays, y=labels)
    return folder / "net.onnx"


def onnx_settings(**changes) -> BuildSettings:
    return BuildSettings(
        sequence_max=ONNX_LONGEST,
        threads=2,
        max_batch=2,
        buckets=(1, 2),
        engine="onnxruntime",
        precision="float32",
        measure_seconds=0.0,
        thresholds=(0.5,),
        **changes,
    )


def test_an_onnx_graph_with_a_length_becomes_a_bundle(text_onnx):
    build(text_onnx, onnx_settings(), SilentStages())
    built = eerun.load(text_onnx.with_suffix(".ee"), engine="onnxruntime", precision="float32", threads=2)
    assert [entry.length for entry in built.manifest.lengths] == [16, ONNX_LONGEST], "powers of two from 16"
    original = ir.load(text_onnx)
    tokens = [[2 + n % 30, *range(3, 3 + n)] for n in range(ONNX_LONGEST - 1)]
    result = built.infer(batch_of(tokens, ONNX_LONGEST))
    for row, text in enumerate(tokens):
        alone = run_model(original, batch_of([text], len(text) + 1))
        found = alone[("early", "final")[result.exit_index[row]]][0]
        assert np.allclose(result.outputs[row], found, atol=NEAR)
    assert set(result.exit_index.tolist()) == {0, 1}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": "t4"}, r"--target t4: the network has a dynamic sequence length"),
        ({"lengths": (6, 12)}, r"--lengths: got 6,12, the greatest length is 20"),
    ],
)
def test_settings_that_do_not_fit_are_refused(text_onnx, tmp_path, changes, words):
    settings_ = onnx_settings(output=tmp_path / "m.ee", **changes)
    if "target" in changes:
        settings_ = replace(settings_, precision="auto")
    with pytest.raises(UserError, match=words):
        build(text_onnx, settings_, SilentStages())
