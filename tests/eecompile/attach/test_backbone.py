"""Backbones come from checkpoints, weights alone, pickled modules and the zoo; what does not fit is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tapped_networks import DigitNet

from eecompile.attach.attach import attach
from eecompile.attach.attached import Attached
from eecompile.attach.backbone import load_backbone
from eecompile.attach.settings import AttachSettings
from eecompile.checkpoint import build_module, load_checkpoint, save_checkpoint
from eecompile.train.settings import TrainSettings
from eecompile.zoo import lookup
from eengines.errors import EEError, UserError

FACTORY = "tapped_networks:DigitNet"
RAW: dict[str, Any] = {"input_shape": (1, 8, 8), "input_dtype": "uint8", "scale": 1 / 16}
BRANCHY = {"channels": [2, 3], "classes": 10, "in_channels": 1}


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(name == twin and torch.equal(weight, match) for (name, weight), (twin, match) in pairs)


def test_all_ways_lead_to_one_network(folder, tmp_path):
    ours = load_backbone(str(folder / "backbone.pt"), AttachSettings(factory=FACTORY))
    assert ours.classes == tuple("0123456789")
    settings = AttachSettings(factory=FACTORY, arch_kwargs={"width": 8}, **RAW)
    alone = load_backbone(str(folder / "weights.pt"), settings)
    torch.save({"state_dict": ours.trunk.state_dict(), "epoch": 3}, tmp_path / "wrapped.pt")
    wrapped = load_backbone(str(tmp_path / "wrapped.pt"), settings)
    torch.save(ours.trunk, tmp_path / "module.pt")
    pickled = load_backbone(str(tmp_path / "module.pt"), AttachSettings(trust=True, **RAW))
    for other in (alone, wrapped, pickled):
        assert same_weights(ours.trunk, other.trunk)
        assert not other.trunk.training
        assert (other.inputs[0].shape, other.inputs[0].scale) == ((1, 8, 8), 1 / 16)
    assert (alone.arch_kwargs, pickled.arch_kwargs, alone.fresh) == ({"width": 8}, {}, False)


def test_the_zoo_fresh_by_seed_or_with_weights(tmp_path):
    def fresh(seed: int) -> torch.nn.Module:
        settings = AttachSettings(arch_kwargs=BRANCHY, train=TrainSettings(seed=seed), **RAW)
        backbone = load_backbone("zoo:branchy_cnn", settings)
        assert backbone.fresh
        return backbone.trunk

    assert same_weights(fresh(1), fresh(1))
    assert not same_weights(fresh(1), fresh(2))
    torch.save(fresh(2).state_dict(), tmp_path / "weights.pt")
    settings = AttachSettings(weights=tmp_path / "weights.pt", arch_kwargs=BRANCHY, **RAW)
    loaded = load_backbone("zoo:branchy_cnn", settings)
    assert same_weights(loaded.trunk, fresh(2))
    assert (loaded.arch, loaded.arch_kwargs, loaded.fresh) == ("branchy_cnn", BRANCHY, False)


def test_of_several_exits_the_last_is_the_answer(folder, tmp_path):
    checkpoint = replace(
        load_checkpoint(folder / "backbone.pt"),
        arch="branchy_cnn",
        arch_kwargs=BRANCHY,
        state_dict=lookup("branchy_cnn")(**BRANCHY).state_dict(),
        exits=("early", "late"),
    )
    save_checkpoint(tmp_path / "two.pt", checkpoint)
    backbone = load_backbone(str(tmp_path / "two.pt"), AttachSettings())
    assert "has 2 exits: the answer of the last, late, is the trunk's" in (backbone.note or "")


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("backbone.pt", {"input_shape": (1, 8, 8)}, "got --input-shape, but a checkpoint describes its inputs itself"),
        ("backbone.pt", {"arch": "resnet18"}, "got --arch, but a checkpoint names its network itself"),
        ("backbone.pt", {"arch_kwargs": {"width": 8}}, "got --arch-args"),
        ("backbone.pt", {"weights": Path("w.pt")}, "--weights: .* has weights of its own"),
        ("backbone.pt", {}, "checkpoint: arch: is null and no factory is given"),
        ("weights.pt", RAW, "holds weights alone, .*Pass --arch NAME or --factory"),
        ("weights.pt", {"factory": FACTORY, "arch_kwargs": {"width": 8}}, "Pass --input-shape and --input-dtype"),
        ("weights.pt", {"factory": FACTORY, "arch_kwargs": {"width": 9}, **RAW}, "has shape .* expected"),
        ("weights.pt", {"arch": "no_such_net", **RAW}, "is not in the zoo"),
        ("module.pt", RAW, "could run code"),
        ("module.pt", {"trust": True, "factory": FACTORY, **RAW}, "got --factory, but a pickled module"),
        ("module.pt", {"trust": True}, "Pass --input-shape and --input-dtype"),
        ("none.pt", {}, "no such file"),
        ("net.onnx", {}, "is an ONNX graph, expected a torch module"),
        ("script.pt", {}, "is a TorchScript archive, whose modules cannot be tapped"),
        ("numbers.pt", {}, "holds list, expected a checkpoint, or a dictionary of weights"),
        ("zoo:branchy_cnn", {"arch": "branchy_cnn"}, "got --arch, but the zoo names the network"),
        ("zoo:nothing", {**RAW}, "is not in the zoo"),
        ("zoo:branchy_cnn", {"arch_kwargs": {"width": 1}, **RAW}, "does not take width=1"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_refusals(folder, name, settings, words):
    torch.save(DigitNet(8), folder / "module.pt")
    torch.save([1, 2], folder / "numbers.pt")
    if name == "script.pt":
        torch.jit.trace(DigitNet(2).eval(), torch.rand(2, 1, 8, 8)).save(str(folder / name))
    with pytest.raises(EEError, match=words):
        load_backbone(name if name.startswith("zoo:") else str(folder / name), AttachSettings(**settings))


def test_settings_that_do_not_fit():
    with pytest.raises(UserError, match="--arch: got it together with --factory"):
        AttachSettings(arch="a", factory="b:c")
    with pytest.raises(UserError, match="--head-tolerance: got 2, expected 0% to 100%"):
        AttachSettings(head_tolerance=2)


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("backbone.pt", {"output": None}, "--output: got none"),
        ("backbone.pt", {"heads": None}, "--heads: got none"),
        ("backbone.pt", {"heads": "unknown"}, "--heads: got 'unknown', expected one of fc"),
        ("backbone.pt", {"heads": "pooler"}, "--heads pooler: fits no tap; at blocks.0: "),
        ("backbone.pt", {"heads": "linear,remainder", "at": ("blocks.2", "fcc")}, "--at fcc: .*nearest are fc"),
        (
            "backbone.pt",
            {"heads": "linear,linear(3)", "at": ("blocks.2",)},
            r"linear\.2: fits no tap; at blocks\.2: .*sides that 3 divides",
        ),
        ("backbone.pt", {"heads": "linear", "at": ("blocks.0", "blocks.0")}, "names a module twice"),
        ("backbone.pt", {"heads": "linear", "own_head": "blocks"}, "runs 0 times"),
        ("backbone.pt", {"heads": "linear", "data": "test_only.npz"}, "has no split 'train' to train heads with"),
        ("backbone.pt", {"heads": "linear", "data": "wrong.npz"}, "got float32, expected uint8"),
        ("copy.pt", {"heads": "linear"}, "no data to train heads with: .* there is no .*copy.npz"),
        ("backbone.pt", {"heads": "linear", "output": "backbone.pt"}, "is the backbone .* itself"),
        ("zoo:branchy_cnn", {"heads": "linear"}, "has fresh weights, which --mode frozen would keep"),
    ],
)
def test_what_cannot_be_attached_is_said_before_training(folder, stages, digits, name, settings, words):
    np.savez(folder / "test_only.npz", x=digits["x_test"], y=digits["y_test"])
    np.savez(
        folder / "wrong.npz",
        **{key: value.astype("float32") if key[0] == "x" else value for key, value in digits.items()},
    )
    (folder / "copy.pt").write_bytes((folder / "backbone.pt").read_bytes())
    given = {"output": "refused.pt", "factory": FACTORY, **settings}
    for key in ("output", "data"):
        given[key] = given.get(key) and folder / given[key]
    if name.startswith("zoo:"):
        given |= {"factory": None, "arch_kwargs": BRANCHY, **RAW}
    with pytest.raises(EEError, match=words):
        attach(name if name.startswith("zoo:") else str(folder / name), AttachSettings(**given), stages)
    assert not (folder / "refused.pt").exists()


def test_heads_of_a_network_that_has_some_are_left_out(folder, tmp_path, stages):
    train = TrainSettings(epochs=1)
    settings = AttachSettings(
        output=tmp_path / "one.pt", heads="linear", at=("blocks.0",), factory=FACTORY, train=train
    )
    attach(str(folder / "backbone.pt"), settings, stages)
    again = load_backbone(str(tmp_path / "one.pt"), AttachSettings(factory=FACTORY))
    assert isinstance(again.trunk, DigitNet)
    assert "has heads already: they are left out" in (again.note or "")
    assert isinstance(build_module(load_checkpoint(tmp_path / "one.pt"), FACTORY), Attached)
