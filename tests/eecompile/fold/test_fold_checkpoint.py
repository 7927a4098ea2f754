"""A folded checkpoint says how it was folded, and comes back as it was."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from eecompile.attach.attached import Attached
from eecompile.attach.attachment import AttachedHead, Attachment
from eecompile.attach.change_heads import choose, prune
from eecompile.attach.make_heads import make_heads
from eecompile.checkpoint import Checkpoint, InputInfo, build_module, load_checkpoint, save_checkpoint
from eecompile.fold import FoldedNetwork, FoldSpec, fold_network
from eecompile.heads.base import Tap
from eecompile.zoo import lookup
from eengines.errors import IngestError, UserError

KWARGS = {"channels": [4, 6], "classes": 5, "in_channels": 3}
INPUT = InputInfo(name="x", shape=(8, 9, 3), dtype="uint8", layout="NHWC", scale=0.5)
IMAGE = INPUT.network_shape


def checkpoint_of(network: FoldedNetwork, widths: str = "multiple-of-8", **changes: Any) -> Checkpoint:
    fields: dict[str, Any] = {
        "arch": "branchy_cnn",
        "arch_kwargs": KWARGS,
        "state_dict": network.state_dict(),
        "exits": ("early", "final"),
        "inputs": (INPUT,),
        "task": "classification",
        "classes": None,
        "fold": network.factor,
        "fold_widths": widths,
    }
    return Checkpoint(**{**fields, **changes})


def folded(factor: int = 2, widths: str = "multiple-of-8") -> FoldedNetwork:
    torch.manual_seed(0)
    network = fold_network(lookup("branchy_cnn")(**KWARGS), FoldSpec(factor, widths), IMAGE, where="test")
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.uniform_(0.1, 1)  # statistics, too, are of a network that has learnt
    return network.eval()


def changed(path: Path, **changes: Any) -> Path:
    """Change keys behind the library's back; ... removes one."""
    content = {**torch.load(path, weights_only=True), **changes}
    torch.save({key: value for key, value in content.items() if value is not ...}, path)
    return path


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("widths", ["exact", "multiple-of-8"])
def test_round_trip(tmp_path, factor, widths):
    network, path = folded(factor, widths), tmp_path / "folded.pt"
    save_checkpoint(path, checkpoint_of(network, widths))
    loaded = load_checkpoint(path)
    assert (loaded.fold, loaded.fold_widths, loaded.fold_spec) == (factor, widths, FoldSpec(factor, widths))
    assert loaded.inputs == (INPUT,)
    again = build_module(loaded, None)
    assert isinstance(again, FoldedNetwork)
    assert not again.training
    images = torch.rand(3, factor, *IMAGE)
    with torch.no_grad():
        assert all(torch.equal(one, other) for one, other in zip(again(images), network(images), strict=True))
    assert torch.load(path, weights_only=True)["fold_widths"] == widths


def test_an_unfolded_checkpoint_does_not_have_the_key(tmp_path):
    module, path = lookup("branchy_cnn")(**KWARGS), tmp_path / "model.pt"
    plain = checkpoint_of(folded(), state_dict=module.state_dict(), fold=1, fold_widths=None)
    save_checkpoint(path, plain)
    assert "fold_widths" not in torch.load(path, weights_only=True)
    assert load_checkpoint(path).fold_spec is None
    assert load_checkpoint(changed(path, fold=...)).fold == 1
    assert not isinstance(build_module(load_checkpoint(path), None), FoldedNetwork)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fold_widths": ...}, r"checkpoint: fold_widths: is None, expected multiple-of-8 or exact"),
        ({"fold_widths": "wide"}, r"checkpoint: fold_widths: is 'wide', expected multiple-of-8 or exact"),
        ({"fold_widths": ["exact"]}, r"checkpoint: fold_widths: is \['exact'\], expected"),
        ({"fold": 1}, r"checkpoint: fold_widths: is 'multiple-of-8' without a fold factor, expected none"),
        ({"fold": 1_000_000}, r"checkpoint: fold: is 1000000, expected 2 to 64 images a row"),
        ({"fold": 2.0}, r"checkpoint: fold: is 2.0, expected 1 or more"),
        ({"task": "segmentation"}, r"checkpoint: fold: the network's task is segmentation, expected classification"),
        (
            {"input": {"shape": [16], "dtype": "int64"}},
            r"checkpoint: fold: the network takes x \[16\] int64, expected one float32 image \[channels, height",
        ),
        (
            {"input": [{"name": name, "shape": [3, 8, 8], "dtype": "float32"} for name in "ab"]},
            r"the network takes a \[3, 8, 8\] float32, b \[3, 8, 8\] float32, expected one",
        ),
    ],
)
def test_fields_that_do_not_fit(tmp_path, changes, words):
    path = tmp_path / "folded.pt"
    save_checkpoint(path, checkpoint_of(folded()))
    with pytest.raises(IngestError, match=words):
        load_checkpoint(changed(path, **changes))


def test_weights_of_another_factor_do_not_load():
    with pytest.raises(IngestError, match=r"weight 'body\.stages.*' has shape .*, expected"):
        build_module(checkpoint_of(folded(2), fold=4), None)


def test_a_network_that_cannot_be_folded_is_named():
    fields = {"arch": "dilated_fcn", "arch_kwargs": {"channels": [4, 4], "classes": 5, "in_channels": 3}}
    with pytest.raises(IngestError, match=r"arch 'dilated_fcn': exit 0: makes \[2, 5, 8, 10\] for 2 images"):
        build_module(checkpoint_of(folded(), inputs=(replace(INPUT, shape=(8, 10, 3)),), **fields), None)


ATTACHMENT = Attachment(
    taps=(Tap(name="blocks.0", shape=(4, 8, 9), macs=1), Tap(name="blocks.1", shape=(6, 8, 9), macs=2)),
    heads=(
        AttachedHead(name="blocks.0-conv3", tap="blocks.0", kind="conv3"),
        AttachedHead(name="blocks.0-linear", tap="blocks.0", kind="linear"),
        AttachedHead(name="blocks.1-bof", tap="blocks.1", kind="bof"),
    ),
    chosen=("blocks.0-linear", "blocks.1-bof"),
    output=(5,),
    automatic=("blocks.0", "blocks.1"),
)


def attached() -> Checkpoint:
    """A trunk with heads that are not folded; one of them is no exit."""
    torch.manual_seed(0)
    trunk = lookup("residual_cnn")(**KWARGS)
    module = Attached(trunk, make_heads(trunk, ATTACHMENT, seed=0), ATTACHMENT)
    fields = {"fold": 1, "fold_widths": None, "arch": "residual_cnn", "attached": ATTACHMENT, "exits": ATTACHMENT.exits}
    return checkpoint_of(folded(), state_dict=module.state_dict(), **fields)


def test_attached_heads_fold_with_their_trunk(tmp_path):
    unfolded, path = prune(attached()), tmp_path / "folded.pt"
    network = fold_network(build_module(unfolded, None), FoldSpec(4), IMAGE, where="test").eval()
    save_checkpoint(path, replace(unfolded, state_dict=network.state_dict(), fold=4, fold_widths="multiple-of-8"))
    again, images = build_module(load_checkpoint(path), None), torch.rand(2, 4, *IMAGE)
    with torch.no_grad():
        got, expected = again(images), network(images)
    assert [tuple(exit_.shape) for exit_ in got] == [(2, 4, 5)] * 3
    assert all(torch.equal(one, other) for one, other in zip(got, expected, strict=True))


def test_a_head_that_is_no_exit_must_go_first():
    with pytest.raises(IngestError, match=r"module 'heads\.0\..*do not run.*eecompile heads --prune"):
        fold_network(build_module(attached(), None), FoldSpec(4), IMAGE, where="test")


def test_heads_larger_than_the_file_are_not_made():
    unfolded = prune(attached())
    network = fold_network(build_module(unfolded, None), FoldSpec(2), IMAGE, where="test")
    small = network.state_dict()
    name = next(name for name in small if name.startswith("body.heads"))
    small[name] = small[name][:1]
    with pytest.raises(IngestError, match=r"weight 'heads\.0\..*' has shape"):
        build_module(replace(unfolded, state_dict=small, fold=2, fold_widths="exact"), None)


def test_heads_of_a_folded_network_do_not_change():
    unfolded = prune(attached())
    network = fold_network(build_module(unfolded, None), FoldSpec(2), IMAGE, where="test")
    done = replace(unfolded, state_dict=network.state_dict(), fold=2, fold_widths="multiple-of-8")
    for change in (lambda: prune(done), lambda: choose(done, {"blocks.0": None})):
        with pytest.raises(UserError, match=r"fold: is folded by 2: .*Give the network before folding"):
            change()
