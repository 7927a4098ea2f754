"""Plain networks answer as their source, and heads on them are scored and counted right."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.attached_heads import all_answers, exit_table, fresh_heads, scores_of
from benchmarks.joint_or_frozen import scores, winner
from benchmarks.mac_costs import mac_costs
from benchmarks.networks import NETWORKS, digits_backbone
from benchmarks.plain_networks import TRUNK, PlainNetwork, plain_network
from eecompile.checkpoint import build_module, load_checkpoint
from eerun.data import load_data


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> PlainNetwork:
    return plain_network("digits", tmp_path_factory.mktemp("plain"), train=64, test=40)


def test_it_answers_as_the_network_of_the_example(plain):
    checkpoint = load_checkpoint(plain.model)
    assert checkpoint.exits == ("final",)
    assert checkpoint.meta["trunk"] == TRUNK["digits"]
    source = load_checkpoint(digits_backbone())
    exits = build_module(load_checkpoint(NETWORKS["digits"].model), None).eval()
    with np.load(plain.data) as arrays:
        assert {name: len(arrays[name]) for name in ("x_train", "y_train", "x_test", "y_test")} == {
            "x_train": 64,
            "y_train": 64,
            "x_test": 40,
            "y_test": 40,
        }
        x = torch.from_numpy(arrays["x_test"].astype(np.float32))
    with torch.no_grad():
        expected = build_module(source, None).eval()(x)
        assert torch.equal(exits(x)[-1], expected)
        assert torch.equal(build_module(checkpoint, plain.factory).eval()(x), expected)


@pytest.fixture(scope="module")
def recorded(plain):
    backbone, placed = fresh_heads(plain, "linear", seed=0)
    attached = placed.attached
    at = attached.attachment.automatic[:-1]
    backbone, placed = fresh_heads(plain, "linear", seed=0, at=at)
    test = load_data(str(plain.data), input_names=[info.name for info in backbone.inputs]).splits["test"]
    return placed.attached, exit_table(placed.attached, backbone.inputs[0], test), backbone, test


def test_the_table_says_what_every_exit_says(recorded):
    attached, table, backbone, test = recorded
    answers = all_answers(attached, backbone.inputs[0], test)
    assert np.array_equal(table.answers, np.stack(list(answers.values()), 1))
    assert ((table.scores > 0.1) & (table.scores <= 1)).all()
    found = scores_of(answers, test)
    assert found["final"]["agreement"] == 1.0
    assert found["final"]["accuracy"] == (table.answers[:, -1] == test.labels).mean()


def test_costs_add_up_to_the_trunk_and_its_heads(recorded):
    attachment = recorded[0].attachment
    costs = mac_costs(attachment)
    assert costs.segments == len(attachment.heads) + 1
    assert sum(costs.macs) == attachment.macs + sum(head.macs for head in attachment.heads)
    assert costs.run_ms(0, 3) == pytest.approx(3e-6 * costs.macs[0])


def test_a_chain_is_scored_on_other_samples_than_it_is_tuned_on(recorded):
    attached, table, _, _ = recorded
    tune, test = table.rows(np.arange(20)), table.rows(np.arange(20, 40))
    found = scores(attached.attachment, tune, test, required=0.0)
    assert found["final_keeps_accuracy"]
    assert found["chain"]["macs_of_trunk"] < 1
    assert found["accuracy_final"] == (test.answers[:, -1] == test.labels).mean()
    never = scores(attached.attachment, tune, test, required=1.0 + 1e-6)
    assert not never["final_keeps_accuracy"]


def test_who_wins():
    assert [winner(0.5, 0.4), winner(0.4, 0.5), winner(0.5, 0.5)] == ["joint", "frozen", "neither"]
