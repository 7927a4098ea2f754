"""Costs of a network with length buckets are expected of the recent lengths, and nothing is measured."""

import numpy as np
import onnx
import pytest
from silent_stages import SilentStages
from text_networks import ONNX_LONGEST, draw_texts, text_graph

from eecompile.build import BuildSettings, build
from eecompile.refresh import RefreshSettings
from eecompile.refresh.new_graphs import NO_GRAPHS
from eecompile.refresh.recent_costs import recent_costs, recent_lengths
from eecompile.refresh.recent_data import recent_splits
from eecompile.refresh.retune import retune
from eecompile.refresh.source_model import SourceModel
from eecompile.refresh.write_refresh import Replacement, write_refresh
from eerun.blend_costs import blend_costs
from eerun.bundle import Bundle, open_bundle

LENGTHS = (6, ONNX_LONGEST)


@pytest.fixture(scope="module")
def text_bundle(tmp_path_factory) -> Bundle:
    """Built with short texts only."""
    folder = tmp_path_factory.mktemp("texts")
    onnx.save(text_graph(), folder / "net.onnx")
    arrays, labels = draw_texts(100, seed=3, longest=LENGTHS[0])
    np.savez(folder / "net.npz", **arrays, y=labels)
    settings = BuildSettings(
        sequence_max=ONNX_LONGEST,
        lengths=LENGTHS,
        threads=2,
        max_batch=2,
        buckets=(1, 2),
        engine="onnxruntime",
        precision="float32",
        measure_seconds=0.0,
        thresholds=(0.5,),
    )
    build(folder / "net.onnx", settings, SilentStages())
    arrays, labels = draw_texts(300, seed=4, longest=ONNX_LONGEST)
    np.savez(folder / "recent.npz", **arrays, y=labels)
    return open_bundle(folder / "net.ee")


def test_the_recent_lengths_are_written_with_what_they_cost(text_bundle, refreshed, stages):
    assert [entry.share for entry in text_bundle.manifest.lengths] == [1.0, 0.0]
    folder = text_bundle.path.parent
    settings = RefreshSettings(data=str(folder / "recent.npz"), max_drop=0.0, min_gain=0.0)
    splits = recent_splits(settings, text_bundle.manifest, output=(3,))
    retuned = retune(text_bundle, NO_GRAPHS, splits, settings, stages)
    source = SourceModel(
        path=folder / "net.onnx", sha256=text_bundle.manifest.source_sha256, checkpoint=None, module=None, exits=()
    )
    write_refresh(Replacement(text_bundle, source, None, source.path, NO_GRAPHS, retuned, splits), refreshed.report)
    new = open_bundle(text_bundle.path)
    new.verify_files()
    long = float((splits["tune"].inputs["attention_mask"].sum(1) > LENGTHS[0]).mean())
    assert 0.2 < long < 0.8
    assert {entry.length: entry.share for entry in new.manifest.lengths} == pytest.approx(
        {LENGTHS[0]: 1 - long, LENGTHS[1]: long}
    )
    entry = new.manifest.chosen
    assert new.length_costs(entry) == text_bundle.length_costs(entry)
    assert new.costs(entry) == blend_costs(new.length_costs(entry), {LENGTHS[0]: 1 - long, LENGTHS[1]: long})
    assert new.costs(entry) != blend_costs(new.length_costs(entry), {LENGTHS[0]: 1.0, LENGTHS[1]: 0.0})


def test_without_lengths_costs_are_those_of_the_build(deployed):
    bundle = deployed.bundle
    splits = recent_splits(deployed.settings(), bundle.manifest, output=(10,))
    lengths = recent_lengths(bundle, splits["tune"])
    assert lengths == ()
    assert recent_costs(bundle, lengths) == {
        entry.name: bundle.costs(entry) for entry in bundle.manifest.configurations
    }
