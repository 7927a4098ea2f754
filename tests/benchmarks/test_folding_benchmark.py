"""The benchmark of folding: its graphs are the networks, and its rows count images."""

import argparse
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.folding import BOTH, fastest_unfolded, graphs_of, measure, parse_ways, show
from benchmarks.folding_networks import INPUT, NETWORKS, folded_graph, image_shape
from eecompile.zoo.folded_cnn import game_cnn
from eengines.backends import load_backend
from eengines.tensors import allocate

TASK = "lol/timer-minutes"
WAYS = (("onnxruntime", "float32"), ("onnxruntime", "int8"))
ARGS = argparse.Namespace(folds=(4,), threads=2, seconds=0.0, quick=True)


def logits(graph: bytes, rows: np.ndarray) -> np.ndarray:
    engine = load_backend("onnxruntime").load(graph, threads=2)
    outputs = {spec.name: allocate(spec, len(rows)) for spec in engine.outputs}
    engine.open({INPUT: rows}, outputs).run()
    return outputs["logits"]


def test_the_graph_before_folding_is_the_network_of_the_zoo():
    images = np.random.default_rng(3).random((5, *image_shape(TASK)), np.float32)
    torch.manual_seed(0)
    with torch.no_grad():
        expected = game_cnn(TASK).eval()(torch.from_numpy(images)).numpy()
    found = logits(folded_graph(TASK, 1, "exact").lower("onnxruntime", "float32"), images)
    assert np.allclose(found, expected, atol=1e-4)


@pytest.fixture(scope="module")
def rows():
    return list(measure(TASK, WAYS, ARGS))


def test_exact_and_rounded_widths_are_one_where_they_are_the_same():
    assert set(graphs_of("coral", (4,))) == {(1, ""), (4, BOTH)}
    made = graphs_of(TASK, (3,))
    assert set(made) == {(1, ""), (3, "exact"), (3, "multiple-of-8")}
    assert made[3, "exact"].shapes[0][:2] == (55, 9)
    assert made[3, "multiple-of-8"].shapes[0][:2] == (56, 9)


def test_a_quantised_graph_answers_groups():
    graph = folded_graph(TASK, 3, "multiple-of-8")
    given = np.random.default_rng(3).random((4, 3, *image_shape(TASK)), np.float32)
    float32, int8 = (logits(graph.lower("onnxruntime", precision), given) for precision in ("float32", "int8"))
    assert float32.shape == int8.shape == (4, 3, 62)
    assert 0 < np.abs(int8 - float32).max() < np.abs(float32).max()


def test_rows_have_both_ratios(rows):
    assert [(row["engine"], row["precision"], row["fold"]) for row in rows] == [
        (*way, fold) for way in WAYS for fold in (1, 4)
    ]
    for row in rows:
        assert row["images"] == row["rows"] * row["fold"] == 64
        assert row["images_per_second"] > 0
        assert row["blocks"] >= 5
    for row in rows[::2]:
        assert row["to_unfolded"].median.value == 1.0
    (strongest,) = {row["strongest_unfolded"] for row in rows}
    (own,) = (row for row in rows[::2] if f"{row['engine']} {row['precision']}" == strongest)
    assert own["to_strongest_unfolded"].median.value == 1.0


def test_what_is_shown_names_the_fastest(rows, capsys):
    show(TASK, rows)
    shown = capsys.readouterr().out
    assert shown.count(" images/s ") == len(rows)
    assert f"fastest at f = 1: {rows[0]['strongest_unfolded']}" in shown


def test_the_fastest_is_one_of_those_that_ran():
    graph = folded_graph(TASK, 1, "exact")
    images = np.zeros((8, *image_shape(TASK)), np.float32)
    assert fastest_unfolded(graph, WAYS, images, ARGS) in WAYS


def test_ways_and_networks():
    assert parse_ways("onnxruntime:float32,openvino:int8") == (("onnxruntime", "float32"), ("openvino", "int8"))
    with pytest.raises(argparse.ArgumentTypeError, match="engine:precision"):
        parse_ways("onnxruntime")
    assert len(NETWORKS) == 9
