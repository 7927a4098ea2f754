"""Architectures that a checkpoint can name."""

import pytest
import torch

from eecompile.zoo import lookup
from eengines.errors import IngestError


def test_branchy_cnn_returns_one_logits_tensor_a_stage():
    module = lookup("branchy_cnn")(channels=[4, 6, 8], classes=5, in_channels=2).eval()
    outputs = module(torch.zeros(3, 2, 8, 8))
    assert isinstance(outputs, tuple)
    assert [tuple(output.shape) for output in outputs] == [(3, 5)] * 3


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
    with pytest.raises(IngestError, match=r"arch 'resnet': is not in the zoo, which has branchy_cnn.*--factory"):
        lookup("resnet")
