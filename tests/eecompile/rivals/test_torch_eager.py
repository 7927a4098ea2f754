"""The eager rival walks the exits as the numpy references of the policies say, answers of ensembles included."""

import numpy as np
import pytest
import torch
from folded_checkpoints import CLASSES, IMAGE, balanced_network, draw_images, write_folded

from eecompile.checkpoint import Checkpoint, save_checkpoint
from eecompile.input_info import InputInfo
from eecompile.network_values import network_values
from eecompile.rivals.torch_eager import make_rival
from eecompile.zoo import lookup
from eerun.folding import GroupExit, leave_in_groups, to_rows
from eerun.policies import GatiPolicy, GeometricEnsemblePolicy, MarginPolicy

ARGUMENTS = {"channels": [6, 8, 10], "classes": 5, "in_channels": 2}
POLICIES = [
    MarginPolicy(),
    GeometricEnsemblePolicy(classes=5, weights=(1.0, 0.4), carried=(0.0, 1.5)),
    GatiPolicy(weights=((2.0, -1.0),) * 2, bias=(0.5, 0.0), ordered=True, top=2),
]


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A network that was not trained, as a checkpoint; samples, and the logits of its exits, 0 on average."""
    samples = np.random.default_rng(0).standard_normal((24, 2, 8, 8), np.float32)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(4)
        module = lookup("branchy_cnn")(**ARGUMENTS)
        for _ in range(3):
            module(torch.randn(16, 2, 8, 8))
        module.eval()
        for head, logits in zip(module.heads, module(torch.from_numpy(samples)), strict=True):
            head.linear.bias -= logits.mean(dim=0)
    path = tmp_path_factory.mktemp("rival") / "model.pt"
    save_checkpoint(
        path,
        Checkpoint(
            arch="branchy_cnn",
            arch_kwargs=ARGUMENTS,
            state_dict=module.state_dict(),
            exits=("early", "middle", "final"),
            inputs=(InputInfo(name="x", shape=(2, 8, 8), dtype="float32", layout="NCHW"),),
            task="classification",
            classes=tuple("abcde"),
        ),
    )
    with torch.no_grad():
        logits = [exit_.numpy() for exit_ in module(torch.from_numpy(samples))]
    return path, samples, logits


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_it_answers_as_the_reference_says(network, policy):
    path, samples, logits = network
    scores, said, state = [], [], None
    for index, own in enumerate(logits):
        score, state = policy.score(own, state, exit_index=index)
        scores.append(score)
        said.append((own if index == 2 else policy.answer(own, state)).argmax(axis=1))
    thresholds = [float(np.sort(scores[0])[15:17].mean()), float(np.sort(scores[1])[11:13].mean())]
    exits = np.where(scores[0] >= thresholds[0], 0, np.where(scores[1] >= thresholds[1], 1, 2))
    threads = torch.get_num_threads()
    got_labels, got_exits = make_rival(path, None, thresholds, policy, 1)({"x": samples})
    torch.set_num_threads(threads)
    assert set(exits.tolist()) == {0, 1, 2}
    np.testing.assert_array_equal(got_exits, exits)
    np.testing.assert_array_equal(got_labels, np.stack(said, axis=1)[np.arange(len(samples)), exits])
    if policy.answers_with is not None:
        own = np.stack([each.argmax(axis=1) for each in logits], axis=1)[np.arange(len(samples)), exits]
        assert (got_labels != own).any(), "the ensemble answers like its exits on all samples: the test shows nothing"


@pytest.mark.parametrize("rule", GroupExit)
def test_a_group_of_a_folded_network_stops_where_it_leaves(tmp_path, rule):
    path, fold, samples = write_folded(tmp_path, 4, samples=8), 4, 22
    raw, _ = draw_images(samples, seed=5)
    with torch.no_grad():
        rows = torch.from_numpy(to_rows(network_values(IMAGE, raw), fold))
        logits = [each.numpy().reshape(-1, CLASSES)[:samples] for each in balanced_network(fold)(rows)]
    policy = MarginPolicy()
    scores = np.stack([policy.score(each, None, exit_index=0)[0] for each in logits], axis=1)
    thresholds = [float(np.quantile(scores[:, 0], 0.85)), float(np.quantile(scores[:, 1], 0.85))]
    expected = leave_in_groups(scores, thresholds, fold=fold, rule=rule).answered
    assert len(set(expected.tolist())) > 1
    threads = torch.get_num_threads()
    labels, exits = make_rival(path, None, thresholds, policy, 1, rule)({"x": raw})
    torch.set_num_threads(threads)
    np.testing.assert_array_equal(exits, expected)
    said = np.stack([each.argmax(axis=1) for each in logits], axis=1)
    np.testing.assert_array_equal(labels, said[np.arange(samples), expected])
