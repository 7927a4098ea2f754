"""A folded checkpoint becomes a bundle: rows are groups inside, images outside."""

import json
from dataclasses import replace

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
import torch
from folded_checkpoints import CLASSES, EXITS, IMAGE, balanced_network, draw_images, write_folded, write_unfolded
from policy_examples import policy_example
from silent_stages import SilentStages

from eecompile.build import BuildSettings, build
from eecompile.cli.summary import summary_text
from eecompile.inspect import inspect_text
from eecompile.network_values import network_values
from eecompile.regraph import ExitNames, keep_exits, rescore, split_head
from eecompile.verify import verify
from eengines.backends.onnxruntime import session_options
from eengines.errors import BuildError, UserError
from eerun.bundle import open_bundle
from eerun.choose_configuration import choose_configuration
from eerun.folding import GroupExit, to_rows

FOLD, SAMPLES = 4, 150
SETTINGS = BuildSettings(
    threads=2,
    max_batch=16,
    buckets=(4, 16),
    measure_seconds=0.0,
    agreement=True,
    max_drop=0.3,
    max_quant_drop=0.3,
    fold_exit=GroupExit.MAJORITY,
    int8=True,
    calibrate_on="survivors",
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_folded(tmp_path_factory.mktemp("folded"), FOLD, samples=SAMPLES)


@pytest.fixture(scope="module")
def report(checkpoint):
    return build(checkpoint, SETTINGS, SilentStages())


@pytest.fixture(scope="module")
def bundle(checkpoint, report):
    return open_bundle(checkpoint.with_suffix(".ee"))


@pytest.fixture(scope="module")
def images():
    """Eleven images, the last group has three; and the logits `[images, exits, classes]` of the network in torch."""
    raw, _ = draw_images(11, seed=7)
    with torch.no_grad():
        exits = balanced_network(FOLD)(torch.from_numpy(to_rows(network_values(IMAGE, raw), FOLD)))
    return raw, np.stack([each.numpy().reshape(-1, CLASSES)[: len(raw)] for each in exits], axis=1)


def portable_segments(bundle):
    manifest = bundle.manifest
    names = [ExitNames(logits=entry.logits, score=entry.score) for entry in manifest.segments]
    return [bundle.read(entry.file) for entry in manifest.segments], names


def run_chain(segments, rows):
    """Every value that some segment makes of raw rows."""
    values = {"x": rows}
    for graph in segments:
        session = ort.InferenceSession(graph, session_options(2), providers=["CPUExecutionProvider"])
        made = session.run(None, {given.name: values[given.name] for given in session.get_inputs()})
        values |= dict(zip([output.name for output in session.get_outputs()], made, strict=True))
    return values


def test_the_manifest_says_how_it_is_folded_and_counts_images(bundle, report):
    manifest = bundle.manifest
    assert (manifest.fold.factor, manifest.fold.widths) == (FOLD, "multiple-of-8")
    assert manifest.inputs[0].shape == IMAGE.shape
    assert {bundle.policy(entry).group_exit for entry in manifest.configurations} == {GroupExit.MAJORITY}
    assert {bundle.costs(entry).buckets for entry in manifest.configurations} == {(1, 4)}
    assert (report.fold, report.group_exit, report.batch) == (FOLD, GroupExit.MAJORITY, 16)
    assert {entry.precision for entry in manifest.configurations} >= {"float32", "int8"}
    graph = onnx.load_model_from_string(bundle.read(manifest.segments[0].file)).graph
    assert [d.dim_param or d.dim_value for d in graph.input[0].type.tensor_type.shape.dim] == ["batch", FOLD, 8, 8, 3]


def test_splits_are_reported_in_whole_groups(report, bundle):
    counted, kept = report.test.samples, bundle.manifest.splits["test"].samples
    assert counted == kept - kept % FOLD
    assert sum(report.test.shares) == pytest.approx(1)
    assert all(share * counted == pytest.approx(round(share * counted)) for share in report.test.shares)


@pytest.mark.parametrize(("engine", "precision"), [("onnxruntime", "float32"), ("openvino", "float32")])
def test_the_chain_answers_like_torch_on_a_partial_group(bundle, images, engine, precision):
    raw, expected = images
    way = choose_configuration(bundle, engine=engine, precision=precision)
    logits, scores = way.open_chain(threads=2).record({"x": raw})
    assert logits.shape == expected.shape
    np.testing.assert_allclose(logits, expected, atol=1e-4 * np.ptp(expected))
    np.testing.assert_allclose(
        way.open_whole(threads=2).infer({"x": raw}), expected[:, -1], atol=1e-4 * np.ptp(expected)
    )
    policy = bundle.policy(way.entry).make()
    for index in range(len(EXITS)):
        score, _ = policy.score(expected[:, index], None, exit_index=index)
        np.testing.assert_allclose(scores[:, index], score, atol=1e-4)


def test_int8_answers_nearly_like_float32(bundle, images):
    raw, expected = images
    logits, _ = (
        choose_configuration(bundle, engine="onnxruntime", precision="int8").open_chain(threads=2).record({"x": raw})
    )
    assert np.sqrt(np.mean((logits - expected) ** 2)) < 0.4 * expected.std()
    assert not np.array_equal(logits, expected)


@pytest.mark.parametrize("policy", ["patience", "geometric-ensemble", "eenet", "predictive-exit", "margin"])
def test_another_policy_scores_each_image_with_a_state_of_its_own(bundle, images, policy):
    raw, logits = images
    segments, names = portable_segments(bundle)
    example = policy_example(policy, exits=len(EXITS), classes=CLASSES)
    values = run_chain(rescore(segments, example, names), to_rows(raw, FOLD))
    state = None
    for index, each in enumerate(names):
        score, state = example.score(logits[:, index], state, exit_index=index)
        last = index == len(EXITS) - 1
        answer = logits[:, index] if last else example.answer(logits[:, index], state)
        np.testing.assert_allclose(values[each.score].reshape(-1)[: len(raw)], score, atol=1e-4)
        np.testing.assert_allclose(values[each.logits].reshape(-1, CLASSES)[: len(raw)], answer, atol=1e-3)


def test_a_chain_goes_there_and_back_and_can_lose_exits(bundle, images):
    raw, expected = images
    segments, names = portable_segments(bundle)
    own = bundle.policy(bundle.manifest.chosen).make()
    there = rescore(segments, policy_example("geometric-ensemble", classes=CLASSES), names)
    assert rescore(there, own, names) == tuple(rescore(segments, own, names))
    fewer, kept = keep_exits(segments, names, [1, 2])
    values = run_chain(rescore(fewer, own, kept), to_rows(raw, FOLD))
    np.testing.assert_allclose(
        values[kept[0].logits].reshape(-1, CLASSES)[: len(raw)], expected[:, 1], atol=1e-4 * np.ptp(expected)
    )
    assert values["score_0"].shape == (3, FOLD)


def test_heads_of_a_folded_network_stay_in_their_segments(bundle):
    segments, names = portable_segments(bundle)
    with pytest.raises(BuildError, match="the network is folded"):
        split_head(segments[0], names[0], read_later=())


def test_it_is_verified_and_described_in_images(bundle, report):
    result = verify(bundle.path, data=None, engine="auto", precision="float32", samples=64)
    assert {check.name for check in result.checks} >= {"onnxruntime float32", "openvino float32"}
    text = inspect_text(bundle.path, nodes=False, ranges=False)
    assert f"Folded: {FOLD} images share a pass (widths multiple-of-8)" in text
    assert f"bytes a group of {FOLD} images" in text
    costs = text.partition("---- ms measured")[2].splitlines()[1]
    assert costs.split() == ["batch", "4", "16"]
    summary = summary_text(report)
    assert f"Folded by {FOLD}: {FOLD} images share a pass, and leave together when more than half of them" in summary
    assert f"groups of {FOLD} images" in summary


def test_buckets_are_whole_groups_of_images(checkpoint):
    assert replace(SETTINGS, buckets=None, max_batch=18).row_buckets(FOLD) == (1, 2, 4, 5)
    with pytest.raises(UserError, match="--buckets: got 2,16 for a network folded by 4, expected multiples of 4"):
        build(checkpoint, replace(SETTINGS, buckets=(2, 16)), SilentStages())


def test_a_rule_for_groups_needs_groups(tmp_path):
    with pytest.raises(UserError, match="--fold-exit: got majority, but the network is not folded"):
        build(write_unfolded(tmp_path, samples=40), replace(SETTINGS, calibrate_on="all"), SilentStages())


def test_scores_and_logits_have_the_axis_of_images(bundle):
    manifest = bundle.manifest
    for entry in manifest.segments:
        graph = ir.from_proto(onnx.load_model_from_string(bundle.read(entry.file))).graph
        shapes = {str(value.name): [str(size) for size in value.shape] for value in graph.outputs}
        assert shapes[entry.score] == ["batch", str(FOLD)]
        assert shapes[entry.logits] == ["batch", str(FOLD), str(CLASSES)]
    assert json.loads(bundle.read("report/summary.json"))["fold"] == FOLD
