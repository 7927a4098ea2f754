"""Attached heads of each kind fold with their trunk, or are refused by name."""

import pytest
import torch

from eecompile.attach.attached import Attached
from eecompile.attach.attachment import AttachedHead, Attachment
from eecompile.attach.make_heads import make_heads
from eecompile.fold import FoldSpec, fold_network
from eecompile.heads import KINDS
from eecompile.heads.base import Tap
from eecompile.zoo import lookup
from eengines.errors import IngestError

FOLD = ("fc", "linear", "strided", "conv3", "bof", "pool", "simple", "remainder")
REFUSED = {  # pool: windows that overlap are those of one vector
    "pool": ({"size": 100}, r"module 'heads\.0\..*': is given 100 features in the folded network, 100 before"),
    "conv": ({}, r"module 'heads\.0\..*': has the weights 'weight' of its own \(Conv1d\)"),
}
OTHER_FEATURES = {"deconv", "pooler"}
"""Heads of maps of answers, and of tokens."""


def attached(kind: str, **options: int) -> Attached:
    torch.manual_seed(0)
    trunk = lookup("residual_cnn")(channels=[8, 12, 16], classes=5, in_channels=3)
    taps = tuple(
        Tap(name=f"blocks.{index}", shape=(width, 8, 8), macs=index) for index, width in enumerate((8, 12, 16))
    )
    attachment = Attachment(
        taps=taps,
        heads=(AttachedHead(name=f"blocks.1-{kind}", tap="blocks.1", kind=kind, options=options),),
        chosen=(f"blocks.1-{kind}",),
        output=(5,),
        own_head="fc",
        own_head_shape=(16,),
        automatic=tuple(tap.name for tap in taps),
    )
    return Attached(trunk, make_heads(trunk, attachment, seed=0), attachment)


def test_every_kind_is_tested_here():
    assert {*FOLD, *REFUSED, *OTHER_FEATURES} == set(KINDS)


@pytest.mark.parametrize("kind", FOLD)
def test_a_head_folds(kind):
    module = attached(kind)
    folded = fold_network(module, FoldSpec(3), (3, 8, 8), where="test").eval()
    with torch.no_grad():
        logits = folded(torch.rand(2, 3, 3, 8, 8))
    assert [tuple(exit_.shape) for exit_ in logits] == [(2, 3, 5)] * 2
    assert list(folded.body.state_dict()) == list(module.state_dict())


@pytest.mark.parametrize("kind", REFUSED)
def test_a_head_of_one_size_is_refused(kind):
    options, words = REFUSED[kind]
    with pytest.raises(IngestError, match=words):
        fold_network(attached(kind, **options), FoldSpec(3), (3, 8, 8), where="test")
