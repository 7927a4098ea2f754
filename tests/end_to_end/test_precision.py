"""The digits example in INT8: every engine family answers like the others, and the bundle runs as asked."""

import json
import subprocess
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pytest

import eerun
from eecalib.replay import leave_at
from eecompile.build import BuildSettings, build
from eecompile.cli.stages import ConsoleStages
from eecompile.relative_error import relative_error
from eengines.backends import load_backend
from eerun.bundle import PolicyFile, open_bundle
from eerun.choose_configuration import choose_configuration
from eerun.data import load_data, make_splits
from eerun.executor import Chain, ChainExecutor, ChainSegment, load_chain

FAMILIES = ("onnxruntime-int8", "openvino-int8", "t4-int8")
PAIRS = [*combinations(FAMILIES, 2)]
TOLERANCE = 0.03
"""Largest difference of any logit between two families, in units of the spread of the logits. They round the same
values with other zero points and in another order; TensorRT's symmetric grid has half the levels for what a ReLU
makes. Measured here: 0.013."""

SAME_EXIT = 0.98
"""Share of samples that leave at the same exit in two families under the same thresholds. Measured here: 0.989 to
0.997; thresholds lie where many scores are, and those next to one may fall on either side."""

SCORE_TOLERANCE = 0.05
"""Largest difference of a score, a probability, between two families."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the exits of one family say on *test*, with exits off.

    Attributes:
        logits: `[samples, exits, classes] float32`.
        scores: `[samples, exits] float32`.
        thresholds: tuned on this family's graphs.
    """

    logits: np.ndarray
    scores: np.ndarray
    thresholds: tuple[float | None, ...]


@pytest.fixture(scope="module")
def int8_bundle(digits_folder, tmp_path_factory):
    """What `eecompile build model.pt --int8 --target t4` makes, here and not in a process of its own."""
    path = tmp_path_factory.mktemp("int8") / "model.ee"
    settings = BuildSettings(
        output=path,
        int8=True,
        target="t4",
        max_quant_drop=0.02,
        max_batch=16,
        buckets=(1, 16),
        measure_seconds=0.0,
        threads=2,
    )
    with ConsoleStages(verbose=False) as stages:
        build(digits_folder / "model.pt", settings, stages)
    return path


@pytest.fixture(scope="module")
def held_out(digits_folder, int8_bundle):
    data = load_data(digits_folder / "model.npz", input_names=["x"])
    return make_splits(data, seed=open_bundle(int8_bundle).manifest.split_seed)["test"]


def record(executor, samples):
    x, size = samples.inputs["x"], executor.max_batch
    parts = [executor.record({"x": x[start : start + size]}) for start in range(0, len(x), size)]
    return np.concatenate([logits for logits, _ in parts]), np.concatenate([scores for _, scores in parts])


@pytest.fixture(scope="module")
def said(int8_bundle, held_out):
    """By name, float32 and all INT8 families; TensorRT's graphs run in ONNX Runtime."""
    bundle, found = open_bundle(int8_bundle), {}
    for name in ("onnxruntime-float32", *FAMILIES[:2]):
        engine, _, precision = name.partition("-")
        way = choose_configuration(bundle, engine=engine, precision=precision)
        executor = ChainExecutor(load_chain(way.chain(), load_backend(way.engine), threads=2), way.costs())
        logits, scores = record(executor, held_out)
        found[name] = Said(logits=logits, scores=scores, thresholds=way.policy().thresholds)
    costs = choose_configuration(bundle, engine="onnxruntime", precision="float32").costs()
    (entry,) = bundle.manifest.targets
    heads = zip(entry.segments, bundle.manifest.segments, strict=True)
    chain = Chain(
        inputs=tuple(e.spec for e in bundle.manifest.inputs),
        segments=tuple(
            ChainSegment(graph=bundle.read(file), logits=head.logits, score=head.score) for file, head in heads
        ),
    )
    executor = ChainExecutor(load_chain(chain, load_backend("onnxruntime"), threads=2), costs)
    logits, scores = record(executor, held_out)
    thresholds = bundle.read_json(entry.policy, PolicyFile).thresholds
    found["t4-int8"] = Said(logits=logits, scores=scores, thresholds=thresholds)
    return found


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_all_families_agree_on_logits(said, first, second):
    for exit_ in range(3):
        assert relative_error(said[first].logits[:, exit_], said[second].logits[:, exit_]) < TOLERANCE
    assert np.abs(said[first].scores - said[second].scores).max() < SCORE_TOLERANCE
    assert not np.array_equal(said[first].logits, said[second].logits), "they are different graphs"


@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize("tuned_on", FAMILIES)
def test_all_families_agree_on_exits_but_next_to_a_threshold(said, first, second, tuned_on):
    thresholds = said[tuned_on].thresholds
    one, two = (leave_at(said[name].scores, thresholds) for name in (first, second))
    assert (one == two).mean() >= SAME_EXIT
    for sample in np.flatnonzero(one != two):
        exit_ = min(one[sample], two[sample])
        assert abs(said[first].scores[sample, exit_] - thresholds[exit_]) < SCORE_TOLERANCE


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_all_families_give_the_same_answers(said, held_out, first, second):
    thresholds, rows = said[first].thresholds, np.arange(len(held_out))
    answers = [said[n].logits[rows, leave_at(said[n].scores, thresholds)].argmax(1) for n in (first, second)]
    assert (answers[0] == answers[1]).mean() >= 0.985


@pytest.mark.parametrize("name", FAMILIES)
def test_accuracy_with_exits_stays_near_float32(said, held_out, name):
    float32 = (said["onnxruntime-float32"].logits[:, -1].argmax(1) == held_out.labels).mean()
    rows = np.arange(len(held_out))
    leaves = leave_at(said[name].scores, said[name].thresholds)
    assert (said[name].logits[rows, leaves].argmax(1) == held_out.labels).mean() >= float32 - 0.02
    assert (said[name].logits[:, -1].argmax(1) == said["onnxruntime-float32"].logits[:, -1].argmax(1)).mean() >= 0.985
    assert leaves.max() > leaves.min()


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_the_runtime_answers_as_the_exits_were_recorded(int8_bundle, said, held_out, engine):
    model = eerun.load(int8_bundle, engine=engine, precision="int8", threads=2)
    assert (model.engine, model.precision) == (engine, "int8")
    family = said[f"{engine}-int8"]
    assert model.thresholds == family.thresholds
    result, leaves = model.infer(held_out.inputs["x"]), leave_at(family.scores, family.thresholds)
    near = np.abs(family.scores[:, :-1] - np.array(family.thresholds)).min(1) < 1e-3
    assert near.mean() < 0.05
    assert np.array_equal(result.exit_index[~near], leaves[~near])
    expected = family.logits[np.arange(len(leaves)), leaves].argmax(1)
    assert (result.labels == expected)[~near].mean() > 0.995


def test_the_summary_and_the_manifest_tell_the_same(int8_bundle):
    summary = json.loads((int8_bundle / "report" / "summary.json").read_text())
    manifest = open_bundle(int8_bundle).manifest
    kept = [f"{t['engine']}-{t['precision']}" for t in summary["trials"] if t["kept"]]
    assert kept == [entry.name for entry in manifest.configurations]
    assert [entry.target for entry in manifest.targets] == ["t4"]
    defaults = BuildSettings()
    assert summary["calibration"].startswith(f"{defaults.calibrator} on {defaults.calibrate_on}: 179, ")


def test_refusals_of_the_command_line(digits_folder, command_environment):
    before = sorted(path.name for path in digits_folder.iterdir())
    for arguments, message in (
        (["--target", "p100", "--int8"], "which has no INT8: the dot product of bytes (DP4A) came with sm_61"),
        (["--int8", "--fp16"], "on a CPU what is not INT8 stays float32"),
    ):
        done = subprocess.run(
            ["eecompile", "build", "model.pt", *arguments],
            cwd=digits_folder,
            env=command_environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2, (arguments, done.stderr)
        assert message in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr
        assert sorted(path.name for path in digits_folder.iterdir()) == before
