"""A bundle with sequence lengths: policies work on it, and its graphs keep their shape."""

import numpy as np
import pytest
from silent_stages import SilentStages
from text_networks import LONGEST, write_encoder
from tunable_bundles import TunableBundle

import eerun
from eecompile.build import BuildSettings, build
from eengines.errors import UserError
from eerun.bundle import amend_bundle

CHOSEN = {"engine": "onnxruntime", "precision": "float32"}


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> TunableBundle:
    """A bundle with three length buckets, in float32."""
    model = write_encoder(tmp_path_factory.mktemp("texts"), samples=500)
    settings = BuildSettings(
        factory="text_networks:make_encoder",
        threads=2,
        max_batch=4,
        buckets=(1, 4),
        lengths=(6, 13, LONGEST),
        measure_seconds=0.0,
        precision="float32",
        max_drop=0.05,
    )
    build(model, settings, SilentStages())
    made = TunableBundle(path=model.with_suffix(".ee"))
    kept = [entry for entry in made.bundle.manifest.configurations if entry.name == "onnxruntime-float32"]
    amend_bundle(made.path, lambda _: tuple(kept), {})
    return made


def test_it_answers_as_the_policy_says(texts, stages, tmp_path):
    copy = texts.copy(tmp_path / "copy")
    recording = copy.record(stages, tmp_path / "trace")
    report = copy.tune(stages, "gati", "geometric-ensemble", trace=tmp_path / "trace", max_drop=0.05)
    bundle = copy.bundle
    assert [entry.length for entry in bundle.manifest.lengths] == [6, 13, LONGEST]
    assert bundle.policy(bundle.manifest.chosen).policy == report.chosen
    expected = copy.replayed(recording, bundle.manifest.chosen, "test")
    samples = dict(zip(("input_ids", "attention_mask"), _test_split(copy), strict=True))
    result, sure = eerun.load(copy.path, threads=2).infer(samples), ~expected["near"]
    assert sure.mean() > 0.9
    assert np.array_equal(result.exit_index[sure], expected["exit_index"][sure])
    assert np.array_equal(result.labels[sure], expected["labels"][sure])
    again = copy.record(stages, tmp_path / "again")
    assert np.allclose(again.splits["test"].trace.logits, recording.splits["test"].trace.logits, atol=1e-4)


def _test_split(copy):
    from eerun.data import load_data, make_splits

    data = load_data(str(copy.path.with_suffix(".npz")), input_names=["input_ids", "attention_mask"])
    inputs = make_splits(data, seed=copy.bundle.manifest.split_seed)["test"].inputs
    return inputs["input_ids"], inputs["attention_mask"]


def test_a_policy_that_skips_exits_is_tried_with_heads_in_their_segments(texts, stages):
    report = texts.tune(stages, "predictive-exit-published", max_drop=0.05, dry_run=True)
    assert not report.policies[0].heads_apart


@pytest.mark.parametrize("flag", ["select_exits", "split_heads"])
def test_graphs_of_several_lengths_keep_their_shape(texts, stages, flag):
    before = texts.content()
    with pytest.raises(UserError, match=f"--{flag.replace('_', '-')}: the network has a dynamic sequence length"):
        texts.tune(stages, "margin", **{flag: True})
    assert texts.content() == before
