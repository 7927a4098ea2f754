"""Checkpoints with attached heads: there and back, damaged, with other exits, pruned."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tapped_networks
import torch

from eecompile.attach.attached import Attached
from eecompile.attach.change_heads import choose, prune
from eecompile.attach.find_taps import find_taps
from eecompile.attach.place_heads import place_heads
from eecompile.attach.watch import watch
from eecompile.checkpoint import Checkpoint, InputInfo, build_module, load_checkpoint, save_checkpoint
from eecompile.heads import parse_heads
from eecompile.inspect import inspect_text
from eengines.errors import IngestError, UserError

FACTORY = "tapped_networks:Residual"


@pytest.fixture(scope="module")
def attached(images) -> Attached:
    """All kinds of sharing: `bof` heads share layers, `remainder` copies the own head."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        trunk = tapped_networks.Residual()
    watched = watch(trunk, images)
    found = find_taps(watched, None, None, where="net")
    kinds = parse_heads("fc(8),fc(hidden=16),bof(8,8),remainder")
    attached = place_heads(watched, found, kinds, named=False, seed=3).attached
    attached.attachment = replace(attached.attachment, chosen=("layer1.0-fc.2", "layer1.1-remainder", "layer2.0-bof"))
    return attached


@pytest.fixture
def checkpoint(attached) -> Checkpoint:
    return Checkpoint(
        arch=None,
        arch_kwargs={},
        state_dict=attached.state_dict(),
        exits=attached.attachment.exits,
        inputs=(InputInfo(name="x", shape=(1, 8, 8), dtype="float32"),),
        task="classification",
        classes=None,
        attached=attached.attachment,
    )


@pytest.fixture
def path(tmp_path: Path, checkpoint: Checkpoint) -> Path:
    save_checkpoint(tmp_path / "model.pt", checkpoint)
    return tmp_path / "model.pt"


def test_there_and_back(path, attached, images):
    loaded = load_checkpoint(path)
    assert loaded.attached == attached.attachment
    assert loaded.exits == ("layer1.0-fc.2", "layer1.1-remainder", "layer2.0-bof", "final")
    network = build_module(loaded, FACTORY)
    assert isinstance(network, Attached)
    with torch.no_grad():
        answers, expected = network(*images), attached(*images)
    assert len(answers) == 4
    assert all(torch.equal(one, other) for one, other in zip(answers, expected, strict=True))


def test_shared_layers_stay_one(path):
    network = build_module(load_checkpoint(path), FACTORY)
    named = dict(network.named_parameters(remove_duplicate=False))
    shared = {name for name in named if name not in dict(network.named_parameters())}
    assert shared
    assert all(".heads." not in name and name.startswith("heads.") for name in shared)


def test_rebuilding_leaves_the_generator_alone(path):
    loaded = load_checkpoint(path)
    torch.manual_seed(5)
    tapped_networks.Residual()
    expected = torch.rand(4)
    torch.manual_seed(5)
    build_module(loaded, FACTORY)
    assert torch.equal(torch.rand(4), expected)


def damaged(path: Path, **changes: Any) -> Path:
    """Change fields of the stored attachment behind the library's back; None removes one."""
    content = torch.load(path, weights_only=True)
    content["attached"].update(changes)
    content["attached"] = {key: value for key, value in content["attached"].items() if value is not ...}
    torch.save(content, path)
    return path


def test_sizes_that_weights_do_not_have_cost_no_memory(path):
    """A head of 4·8·8 values to 2 billion would take 2 TB."""
    content = torch.load(path, weights_only=True)
    content["attached"]["heads"][0]["options"]["hidden"] = 2**31 - 1
    torch.save(content, path)
    with pytest.raises(
        IngestError, match=r"weight 'heads\.0\.\d\.weight' has shape \[8, 256\], expected \[2147483647, 256\]"
    ):
        build_module(load_checkpoint(path), FACTORY)
    content["attached"]["heads"][0]["options"]["hidden"] = 10**30
    torch.save(content, path)
    with pytest.raises(IngestError, match=r"attached: does not fit|expected a whole number of 1 to 2147483647"):
        build_module(load_checkpoint(path), FACTORY)


TAP = {"name": "layer1.0", "shape": [4, 8, 8], "macs": 3}
HEAD = {"name": "layer1.0-fc", "tap": "layer1.0", "kind": "fc", "options": {"hidden": 8}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"heads": ...}, r"attached: does not fit: .*missing required field `heads`"),
        ({"taps": [{**TAP, "macs": "3"}]}, r"does not fit: .*at `\$\.taps\[0\]\.macs`"),
        ({"extra": 1}, "unknown fields extra in Attachment"),
        ({"heads": [{**HEAD, "code": "x"}]}, "unknown fields code in AttachedHead"),
        ({"taps": []}, "which are not among its taps"),
        ({"heads": []}, "which are none of its heads"),
        ({"chosen": ["layer1.1-remainder", "layer1.0-fc.2"]}, "shallow to deep"),
        ({"chosen": ["layer1.0-fc", "layer1.0-fc.2"]}, "at most one for each tap"),
        ({"chosen": ["layer1.0-fc"]}, "checkpoint: exits: are layer1.0-fc.2, .*the attached heads make layer1.0-fc,"),
        ({"own_head_shape": None}, "an own head without its shape"),
        ({"heads": [HEAD, HEAD], "chosen": []}, "two heads of one name"),
        ({"output": []}, r"has the shape \[\], expected sizes of 1 or more"),
        ({"output": [5, 4]}, r"has the shape \[5, 4\], expected .* an answer \[classes\] or"),
        ({"taps": [{**TAP, "shape": [0, 8, 8]}], "heads": [HEAD], "chosen": [], "automatic": []}, r"shape \[0, 8, 8\]"),
    ],
)
def test_damaged_attachments_do_not_load(path, changes, words):
    with pytest.raises(IngestError, match=words):
        load_checkpoint(damaged(path, **changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"options": {"width": 3}}, r"head 'fc': has no option width"),
        ({"kind": "unknown"}, "is no kind of head"),
        ({"kind": "pooler", "options": {}}, "checkpoint: head 'layer1.0-fc': .*Attach it again"),
        ({"options": {"hidden": 9}}, r"weight 'heads\.0\.1\.weight' has shape \[8, 256\], expected \[9, 256\]"),
    ],
)
def test_heads_that_do_not_fit_do_not_build(path, attached, changes, words):
    first, *others = torch.load(path, weights_only=True)["attached"]["heads"]
    loaded = load_checkpoint(damaged(path, heads=[{**first, **changes}, *others]))
    with pytest.raises(IngestError, match=words):
        build_module(loaded, FACTORY)


def test_another_trunk_is_refused(path):
    with pytest.raises(IngestError, match=r"--factory tapped_networks:Vgg: .* without the modules fc, layer1\.0"):
        build_module(load_checkpoint(path), "tapped_networks:Vgg")


def test_other_exits_are_chosen_by_the_words_of_the_table(checkpoint, attached, images):
    changed = choose(checkpoint, {"layer1.0": None, "layer2.0": "fc", "layer2.1": "bof"})
    assert changed.exits == ("layer1.1-remainder", "layer2.0-fc", "layer2.1-bof", "final")
    network = build_module(changed, FACTORY)
    features, _ = attached.eval().features(*images)
    candidates = attached.candidates(features)
    for name, answer in zip(changed.exits[:-1], network(*images), strict=False):
        assert torch.equal(candidates[name], answer), name


@pytest.mark.parametrize(
    ("picks", "words"),
    [
        ({"layer9": "fc"}, r"--choose layer9=fc: 'layer9' is no tap with heads. The nearest are layer"),
        ({"layer1.0": "conv"}, "has no head 'conv', expected one of fc, fc.2, bof, remainder, or none"),
    ],
)
def test_heads_that_are_not_there_cannot_be_chosen(checkpoint, picks, words):
    with pytest.raises(UserError, match=words):
        choose(checkpoint, picks)


def test_pruned_heads_take_their_weights_along(checkpoint, images):
    pruned = prune(checkpoint)
    assert [head.name for head in pruned.attached.heads] == list(checkpoint.exits[:-1])
    assert {name.split(".")[1] for name in pruned.state_dict if name.startswith("heads.")} == {"0", "1", "2"}
    whole, small = build_module(checkpoint, FACTORY), build_module(pruned, FACTORY)
    assert len(list(small.parameters())) < len(list(whole.parameters()))
    assert all(torch.equal(one, other) for one, other in zip(whole(*images), small(*images), strict=True))


def test_a_plain_checkpoint_has_no_heads_to_change(checkpoint):
    plain = replace(checkpoint, attached=None)
    for change in (prune, lambda one: choose(one, {})):
        with pytest.raises(UserError, match=r"has no attached heads\. Attach some with eecompile attach"):
            change(plain)


def test_inspect_shows_the_heads(path):
    text = inspect_text(path, nodes=False, ranges=False)
    assert "Exits: layer1.0-fc.2, layer1.1-remainder, layer2.0-bof, final" in text
    rows = [line.split() for line in text.splitlines() if line.startswith("layer1.0 ")]
    assert [row[1] for row in rows] == ["fc", "fc.2", "bof", "remainder"]
    assert [row[-1] == "→" for row in rows] == [False, True, False, False]
