"""A bundle with sequence lengths: policies work on it, and its graphs keep their shape."""

import numpy as np
import onnx
import pytest
from silent_stages import SilentStages
from text_networks import ONNX_LONGEST, draw_texts, text_graph
from tunable_bundles import TunableBundle

import eerun
from eecompile.build import BuildSettings, build
from eengines.errors import UserError
from eerun.bundle import amend_bundle
from eerun.data import load_data, make_splits

LENGTHS = (6, 13, ONNX_LONGEST)
DROP = 0.3
"""The weights of the graph are random: its exits differ a lot."""


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> TunableBundle:
    """A bundle of two exits with three length buckets, in float32, of texts without labels."""
    folder = tmp_path_factory.mktemp("texts")
    onnx.save(text_graph(), folder / "net.onnx")
    np.savez(folder / "net.npz", **draw_texts(600, seed=3, longest=ONNX_LONGEST)[0])
    settings = BuildSettings(
        sequence_max=ONNX_LONGEST,
        threads=2,
        max_batch=4,
        buckets=(1, 4),
        lengths=LENGTHS,
        measure_seconds=0.0,
        max_drop=DROP,
        agreement=True,
    )
    build(folder / "net.onnx", settings, SilentStages())
    made = TunableBundle(path=folder / "net.ee")
    kept = [entry for entry in made.bundle.manifest.configurations if entry.name == "onnxruntime-float32"]
    amend_bundle(made.path, lambda _: tuple(kept), {})
    return made


def inputs_of(copy):
    """Token ids and masks of the *test* samples."""
    data = load_data(str(copy.path.with_suffix(".npz")), input_names=["input_ids", "attention_mask"])
    return make_splits(data, seed=copy.bundle.manifest.split_seed)["test"].inputs


def test_it_answers_as_the_policy_says(texts, stages, tmp_path):
    copy = texts.copy(tmp_path / "copy")
    recording = copy.record(stages, tmp_path / "trace")
    report = copy.tune(stages, "geometric-ensemble", trace=tmp_path / "trace", max_drop=DROP)
    bundle = copy.bundle
    assert [entry.length for entry in bundle.manifest.lengths] == [*LENGTHS]
    assert bundle.policy(bundle.manifest.chosen).policy == report.chosen
    expected = copy.replayed(recording, bundle.manifest.chosen, "test")
    result, sure = eerun.load(copy.path, threads=2).infer(inputs_of(copy)), ~expected["near"]
    assert 0 < result.exit_index.mean() < 1
    assert sure.mean() > 0.9
    assert np.array_equal(result.exit_index[sure], expected["exit_index"][sure])
    assert np.array_equal(result.labels[sure], expected["labels"][sure])
    again = copy.record(stages, tmp_path / "again")
    assert np.allclose(again.splits["test"].trace.logits, recording.splits["test"].trace.logits, atol=1e-4)


def test_a_policy_that_skips_exits_is_tried_with_heads_in_their_segments(texts, stages):
    report = texts.tune(stages, "predictive-exit-published", max_drop=DROP, dry_run=True)
    assert not report.policies[0].heads_apart


@pytest.mark.parametrize("flag", ["select_exits", "split_heads"])
def test_graphs_of_several_lengths_keep_their_shape(texts, stages, flag):
    before = texts.content()
    with pytest.raises(UserError, match=f"--{flag.replace('_', '-')}: the network has a dynamic sequence length"):
        texts.tune(stages, "margin", **{flag: True})
    assert texts.content() == before
