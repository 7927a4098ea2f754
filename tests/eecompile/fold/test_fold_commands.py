"""Commands that need the network before folding say so; inspection shows how it was folded."""

from pathlib import Path

import pytest
import torch

from eecompile.attach.backbone import load_backbone
from eecompile.attach.settings import AttachSettings
from eecompile.checkpoint import Checkpoint, InputInfo, save_checkpoint
from eecompile.compose.settings import ComposeSettings
from eecompile.compose.subject import load_subject
from eecompile.fold import FoldSpec, fold_network
from eecompile.inspect.checkpoint import checkpoint_text
from eecompile.zoo import lookup
from eengines.errors import UserError

KWARGS = {"channels": [4], "classes": 5, "in_channels": 1}
REFUSAL = r"folded\.pt: is folded by 4: .*\. Give the network before folding"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folded checkpoint."""
    torch.manual_seed(0)
    network = fold_network(lookup("branchy_cnn")(**KWARGS), FoldSpec(4, "exact"), (1, 6, 6), where="test")
    checkpoint = Checkpoint(
        arch="branchy_cnn",
        arch_kwargs=KWARGS,
        state_dict=network.state_dict(),
        exits=("final",),
        inputs=(InputInfo(name="x", shape=(1, 6, 6), dtype="float32"),),
        task="classification",
        classes=None,
        fold=4,
        fold_widths="exact",
    )
    save_checkpoint(tmp_path / "folded.pt", checkpoint)
    return tmp_path / "folded.pt"


def test_attach(path):
    with pytest.raises(UserError, match=REFUSAL):
        load_backbone(str(path), AttachSettings())


def test_compose(path):
    with pytest.raises(UserError, match=REFUSAL):
        load_subject(path, ComposeSettings())


def test_an_unfolded_network_is_not_refused(tmp_path):
    network = lookup("branchy_cnn")(**KWARGS)
    checkpoint = Checkpoint(
        arch="branchy_cnn",
        arch_kwargs=KWARGS,
        state_dict=network.state_dict(),
        exits=("final",),
        inputs=(InputInfo(name="x", shape=(1, 6, 6), dtype="float32"),),
        task="classification",
        classes=None,
    )
    save_checkpoint(tmp_path / "model.pt", checkpoint)
    trunk = load_backbone(str(tmp_path / "model.pt"), AttachSettings()).trunk.state_dict()
    assert trunk.keys() == network.state_dict().keys()
    assert all(torch.equal(trunk[name], weight) for name, weight in network.state_dict().items())


def test_inspect(path):
    assert "Task: classification, fold 4 images a row, widths exact" in checkpoint_text(path).splitlines()
