"""Architectures that a checkpoint can name: each is made from plain values, and plain ones name their taps and head."""

import json
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from eecompile.attach.attached import tapped
from eecompile.factory import call_with
from eecompile.module_macs import macs_until
from eecompile.zoo import lookup
from eecompile.zoo.plain_network import PlainNetwork
from eecompile.zoo.table import ARCHITECTURES
from eengines.errors import IngestError

CLASSES = 5
SMALL = (3, 32, 32)
BERT = {"vocabulary": 9, "layers": 3, "width": 8, "heads": 2, "feed_forward": 12, "max_length": 6}
PLAIN = {
    "bert_encoder": (BERT, None),
    "densenet121": ({}, SMALL),
    "densenet121_growth12": ({}, SMALL),
    "dilated_fcn": ({"channels": [4, 4, 6], "in_channels": 2}, (2, 12, 16)),
    "residual_cnn": ({"channels": [4, 6, 8], "in_channels": 3}, SMALL),
    "resnet18": ({}, SMALL),
    "resnet34": ({}, SMALL),
    "resnet50": ({}, SMALL),
    "resnet56_bottleneck": ({}, SMALL),
    "resnet101": ({}, SMALL),
    "resnet152": ({"stem": "imagenet"}, (3, 64, 64)),
    "vgg16_bn": ({}, SMALL),
    "vgg19_bn": ({"side": 96}, (3, 96, 96)),
}
TASKS = {"game_cnn": ({"task": "sot/timer3"}, (3, 22, 30), 27), "noscope_cnn": ({"task": "night"}, (3, 50, 50), 2)}
EXITS = {
    "branchy_cnn": ({"channels": [4, 6], "in_channels": 3}, 2),
    "densenet121_4": ({}, 4),
    "msdnet_cifar": ({}, 10),
    "msdnet_imagenet": ({}, 5),
    "resnet56_3": ({}, 3),
}
PLAIN_CASES = [(name, {"classes": CLASSES, **kwargs}, shape, CLASSES) for name, (kwargs, shape) in PLAIN.items()]
PLAIN_CASES += [(name, kwargs, shape, classes) for name, (kwargs, shape, classes) in TASKS.items()]


def made(name: str, kwargs: dict) -> torch.nn.Module:
    """The network as a checkpoint makes it, on the meta device: no memory, no arithmetic."""
    with torch.device("meta"):
        return call_with(lookup(name), json.loads(json.dumps(kwargs)), where=name).eval()


def example(shape: tuple[int, ...] | None, batch: int) -> tuple[Tensor, ...]:
    if shape is None:
        tokens = torch.zeros(batch, 4, dtype=torch.int64, device="meta")
        return (tokens, tokens)
    return (torch.zeros(batch, *shape, device="meta"),)


def test_every_architecture_is_tested_here():
    assert {*PLAIN, *TASKS, *EXITS} == set(ARCHITECTURES)


@pytest.mark.parametrize(("name", "kwargs", "shape", "classes"), PLAIN_CASES, ids=lambda case: str(case)[:24])
def test_a_plain_network_answers_once_and_its_taps_run_in_order(name, kwargs, shape, classes):
    network = made(name, kwargs)
    assert isinstance(network, PlainNetwork)
    inputs = example(shape, 3)
    with torch.no_grad(), tapped(network, (*network.tap_names, network.own_head)) as found:
        logits = network(*inputs)
    assert tuple(found) == (*network.tap_names, network.own_head)  # in the order of running
    assert len(network.tap_names) >= 2
    assert all(feature.shape[0] == 3 for feature in found.values())
    assert found[network.own_head] is logits
    assert logits.shape == (3, classes, *(shape[1:] if name == "dilated_fcn" else ()))
    macs = macs_until(network, inputs, network.tap_names)
    assert tuple(macs) == network.tap_names
    assert all(before <= after for before, after in pairwise(macs.values()))


@pytest.mark.parametrize("name", EXITS)
def test_a_multi_exit_network_answers_once_an_exit(name):
    kwargs, exits = EXITS[name]
    network = made(name, {"classes": CLASSES, **kwargs})
    shape = (3, 224, 224) if name == "msdnet_imagenet" else SMALL
    outputs = network(*example(shape, 2))
    assert isinstance(outputs, tuple)
    assert [tuple(output.shape) for output in outputs] == [(2, CLASSES)] * exits


@pytest.mark.parametrize("name", ["resnet18", "vgg16_bn", "densenet121_growth12"])
def test_the_last_tap_alone_decides_the_answer(name):
    torch.manual_seed(0)
    network = lookup(name)(classes=CLASSES).eval()
    images = torch.rand(2, *SMALL)
    with torch.no_grad(), tapped(network, network.tap_names) as found:
        logits = network(images)
    feature = found[network.tap_names[-1]]
    assert feature.min() == 0.0 < feature.max()  # after a ReLU
    head = network.get_submodule(network.own_head)
    with torch.no_grad():
        again = head(feature.mean((2, 3)) if name != "vgg16_bn" else network.features[-1](feature).flatten(1))
    assert torch.equal(again, logits)


def test_an_exit_does_not_depend_on_deeper_stages():
    torch.manual_seed(0)
    module = lookup("branchy_cnn")(channels=[4, 6], classes=5, in_channels=1).eval()
    images = torch.rand(2, 1, 8, 8)
    with torch.no_grad():
        before = module(images)
        for weight in module.stages[1].parameters():
            weight.mul_(2.0).add_(0.5)
        after = module(images)
    assert torch.equal(before[0], after[0])
    assert not torch.allclose(before[1], after[1])


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(IngestError, match=r"arch 'resnet': is not in the zoo, which has bert_encoder, .*--factory"):
        lookup("resnet")


@pytest.mark.parametrize(
    ("name", "kwargs", "message"),
    [
        ("resnet18", {"stem": "mnist"}, r"arch_kwargs 'stem': got 'mnist', expected one of cifar, imagenet"),
        ("densenet121", {"stem": "mnist"}, r"arch_kwargs 'stem': got 'mnist', expected one of cifar, imagenet"),
        ("vgg16_bn", {"form": "flat"}, r"arch_kwargs 'form': got 'flat', expected one of cifar, imagenet"),
        ("bert_encoder", {**BERT, "heads": 3}, r"'heads': got width 8 and 3 heads, expected a width that the heads"),
    ],
)
def test_a_word_or_size_that_does_not_fit_is_refused(name, kwargs, message):
    with pytest.raises(IngestError, match=message):
        made(name, {"classes": CLASSES, **kwargs})


@pytest.mark.parametrize("name", ["game_cnn", "noscope_cnn"])
def test_an_unknown_task_lists_the_known_ones(name):
    with pytest.raises(IngestError, match=r"arch_kwargs 'task': got 'chess', expected one of (lol|coral)"):
        made(name, {"task": "chess"})
