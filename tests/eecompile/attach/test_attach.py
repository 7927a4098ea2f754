"""`eecompile attach` and `eecompile heads` as typed, and the build of what they write."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from typer.testing import CliRunner

import eerun
from eecompile.attach import attach as attach_module
from eecompile.attach.attach import attach
from eecompile.attach.settings import AttachSettings
from eecompile.build import BuildSettings, build
from eecompile.checkpoint import build_module, load_checkpoint
from eecompile.cli.main import app
from eecompile.cli.stages import ConsoleStages
from eecompile.rivals.torch_eager import make_rival
from eecompile.train.settings import TrainSettings
from eecompile.train.train_heads import train_heads
from eengines.errors import EEError, UserError
from eerun.policies import policy_by_name

FACTORY = "tapped_networks:DigitNet"
KINDS = ("fc", "pool", "conv", "linear")


def run(*arguments: str) -> str:
    """Run the command line in this process; what it prints on stdout."""
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@dataclass(frozen=True, kw_only=True)
class Attached:
    """What one run of `eecompile attach` left."""

    path: Path
    text: str
    summary: dict[str, Any]


@pytest.fixture(scope="module")
def attached(folder) -> Attached:
    """All of Gati's heads and the cheapest, on every block."""
    path = folder / "model.pt"
    text = run(
        *("attach", str(folder / "backbone.pt"), "-o", str(path), "--factory", FACTORY, "--at", "auto"),
        *("--heads", "fc(64),pool(128,32),conv,linear", "--epochs", "6", "--train-batch", "64"),
        *("--json", str(folder / "summary.json"), "--head-tolerance", "2%"),
    )
    return Attached(path=path, text=text, summary=json.loads((folder / "summary.json").read_text()))


def test_the_table_shows_every_head_and_the_next_command(attached, folder):
    rows = [line.split() for line in attached.text.splitlines() if line.startswith("blocks.")]
    assert [tuple(row[:2]) for row in rows] == [(f"blocks.{tap}", kind) for tap in range(3) for kind in KINDS]
    assert (
        f"Next: eecompile build {attached.path} --factory {FACTORY} --data {folder / 'backbone.npz'}" in attached.text
    )
    assert attached.text.rstrip().endswith(f"PASSED | {attached.path}")
    assert not list(folder.glob("*.training"))


def test_heads_learn_the_trunks_answers(attached):
    heads = attached.summary["attachment"]["heads"]
    best = {head["tap"]: max(h["agreement"] for h in heads if h["tap"] == head["tap"]) for head in heads}
    assert best["blocks.2"] > 0.9
    assert best["blocks.0"] > 0.6
    assert all(head["macs"] > 0 and head["parameters"] > 0 and 0 <= head["accuracy"] <= 1 for head in heads)


def test_an_exit_is_the_cheapest_that_agrees(attached):
    attachment = attached.summary["attachment"]
    taps = {tap["name"]: tap["macs"] for tap in attachment["taps"]}
    by_name = {head["name"]: head for head in attachment["heads"]}
    assert attachment["chosen"]
    for name in attachment["chosen"]:
        head = by_name[name]
        others = [other for other in by_name.values() if other["tap"] == head["tap"]]
        assert taps[head["tap"]] + head["macs"] < attachment["macs"]
        assert head["agreement"] >= max(other["agreement"] for other in others) - 0.02 - 1e-9


def test_the_frozen_trunk_is_the_backbone_bit_for_bit(attached, folder, digits):
    backbone, loaded = load_checkpoint(folder / "backbone.pt"), load_checkpoint(attached.path)
    trunk = {name.removeprefix("trunk."): w for name, w in loaded.state_dict.items() if name.startswith("trunk.")}
    assert trunk.keys() == backbone.state_dict.keys()
    assert all(torch.equal(weight, backbone.state_dict[name]) for name, weight in trunk.items())
    x = torch.from_numpy(digits["x_test"][:50]).float() / 16
    with torch.no_grad():
        answers = build_module(loaded, FACTORY)(x)
        assert torch.equal(answers[-1], build_module(backbone, FACTORY)(x))


def test_list_taps_needs_no_data_and_writes_nothing(folder, tmp_path):
    before = sorted(folder.iterdir())
    text = run("attach", str(folder / "backbone.pt"), "--factory", FACTORY, "--list-taps")
    rows = [line.split() for line in text.splitlines() if line.startswith("blocks.")]
    assert [(row[0], row[1], row[2]) for row in rows] == [
        ("blocks.0", "Block", "8×8×8"),
        ("blocks.1", "Block", "16×4×4"),
        ("blocks.2", "Block", "16×4×4"),
    ]
    assert "Own head: fc" in text
    assert sorted(folder.iterdir()) == before
    every = run(
        *("attach", str(folder / "backbone.pt"), "--factory", FACTORY, "--list-taps", "-v"),
        *("--json", str(tmp_path / "taps.json")),
    )
    listed = json.loads((tmp_path / "taps.json").read_text())
    assert {"stem", "stem.1", "blocks.0.conv1"} < {tap["name"] for tap in listed["taps"]}
    assert "stem.1" in every
    weights = [tap["parameters"] for tap in listed["taps"]]
    assert weights == sorted(weights)
    assert weights[-1] + 16 * 10 + 10 == listed["parameters"]


@pytest.fixture(scope="module")
def pruned(attached, folder) -> Path:
    """One exit chosen by hand, the rest dropped."""
    path = folder / "pruned.pt"
    text = run("heads", str(attached.path), "--choose", "blocks.0=conv,blocks.1=none", "--prune", "-o", str(path))
    assert "Exits: blocks.0-conv, final" in text
    assert f"PASSED | {path}" in text
    return path


def test_heads_shows_and_changes_exits(attached, pruned):
    before = attached.path.read_bytes()
    shown = run("heads", str(attached.path))
    assert [line.split()[1] for line in shown.splitlines() if line.startswith("blocks.1")] == list(KINDS)
    assert [head.name for head in load_checkpoint(pruned).attached.heads] == ["blocks.0-conv"]
    with pytest.raises(UserError, match="--choose: got no --output"):
        run("heads", str(attached.path), "--choose", "blocks.0=fc")
    with pytest.raises(UserError, match=r"--choose: got 'blocks\.0', expected name=value"):
        run("heads", str(attached.path), "--choose", "blocks.0", "-o", str(pruned))
    with pytest.raises(UserError, match="has no attached heads"):
        run("heads", str(attached.path.with_name("backbone.pt")))
    assert attached.path.read_bytes() == before


@pytest.fixture(scope="module")
def bundle(attached, folder) -> Path:
    """What `eecompile build` makes of the checkpoint with all its candidates."""

    class Quiet:
        """Nothing is shown."""

        def __getattr__(self, name: str) -> Any:
            from contextlib import nullcontext

            return lambda *_: nullcontext()

    settings = BuildSettings(
        output=folder / "model.ee",
        data=str(folder / "backbone.npz"),
        factory=FACTORY,
        engine="onnxruntime",
        precision="float32",
        threads=2,
        thresholds=(0.7,) * len(attached.summary["attachment"]["chosen"]),
        max_batch=4,
        buckets=(1, 4),
        measure_seconds=0.0,
    )
    build(attached.path, settings, Quiet())
    return settings.output


def test_the_bundle_answers_like_torch(bundle, attached, digits):
    checkpoint = load_checkpoint(attached.path)
    images = digits["x_test"][:64]
    with torch.no_grad():
        expected = [
            logits.numpy() for logits in build_module(checkpoint, FACTORY)(torch.from_numpy(images).float() / 16)
        ]
    result = eerun.load(bundle, threads=2).infer(images)
    assert {0, len(expected) - 1} <= set(result.exit_index)
    chosen = np.stack(expected, 1)[np.arange(64), result.exit_index]
    assert np.allclose(result.outputs, chosen, atol=1e-4)
    assert np.array_equal(result.labels, chosen.argmax(1))


def test_the_rival_in_torch_walks_from_exit_to_exit(attached, digits):
    checkpoint = load_checkpoint(attached.path)
    images = digits["x_test"][:8]
    thresholds = (0.7,) * (len(checkpoint.exits) - 1)
    labels, exits = make_rival(attached.path, FACTORY, thresholds, policy_by_name("max-probability"), 1)({"x": images})
    with torch.no_grad():
        outputs = build_module(checkpoint, FACTORY)(torch.from_numpy(images).float() / 16)
    for row, (label, index) in enumerate(zip(labels, exits, strict=True)):
        sure = [logits[row].softmax(0).max() >= 0.7 for logits in outputs[:-1]] + [True]
        assert index == sure.index(True)
        assert label == outputs[index][row].argmax()


def test_candidates_that_are_no_exits_are_not_exported(bundle, attached):
    attachment = load_checkpoint(attached.path).attached
    files = sorted(bundle.glob("segments/*.onnx"))
    parameters = sum(
        int(np.prod(weight.dims))
        for file in files
        if "whole" not in file.name
        for weight in onnx.load(file).graph.initializer
    )
    module = build_module(load_checkpoint(attached.path), FACTORY)
    trunk = sum(weight.numel() for weight in module.trunk.parameters())
    used = sum(head.parameters for head in attachment.heads if head.name in attachment.chosen)
    unused = sum(head.parameters for head in attachment.heads) - used
    assert unused > 20_000
    assert parameters < trunk + used + 2_000


def small(folder: Path, output: Path, **changes: Any) -> AttachSettings:
    train = TrainSettings(epochs=3, batch=64, **changes)
    return AttachSettings(
        output=output, heads="linear", factory=FACTORY, data=str(folder / "backbone.npz"), train=train
    )


def test_an_interrupted_run_writes_its_best_and_resumes_to_the_same(folder, tmp_path, stages, monkeypatch):
    backbone = str(folder / "backbone.pt")
    attach(backbone, small(folder, tmp_path / "whole.pt"), stages)

    class Interrupting:
        """Presses Ctrl-C in the second epoch."""

        def __getattr__(self, name: str) -> Any:
            return getattr(stages, name)

        def detail(self, text: str) -> None:
            stages.detail(text)
            if text.startswith("epoch 2/"):
                raise KeyboardInterrupt

    settings = small(folder, tmp_path / "cut.pt")
    report = attach(backbone, settings, Interrupting())
    assert report.train.interrupted
    assert (tmp_path / "cut.pt.training").exists()
    assert any("--resume goes on" in text for text in stages.warnings)
    assert load_checkpoint(tmp_path / "cut.pt").attached is not None
    resumed = attach(backbone, replace(settings, resume=True), stages)
    assert not resumed.train.interrupted
    assert not (tmp_path / "cut.pt.training").exists()
    whole, cut = (load_checkpoint(tmp_path / name).state_dict for name in ("whole.pt", "cut.pt"))
    assert all(torch.equal(weight, cut[name]) for name, weight in whole.items())


def test_an_interrupted_command_ends_with_130(folder, tmp_path, monkeypatch):
    """So that `eecompile attach … && eecompile build …` does not go on with half-trained heads."""

    def detail(self, text: str) -> None:
        if text.startswith("epoch 1/"):
            raise KeyboardInterrupt

    monkeypatch.setattr(ConsoleStages, "detail", detail)
    command = ["attach", str(folder / "backbone.pt"), "--heads", "linear", "--factory", FACTORY, "--epochs", "3"]
    done = CliRunner().invoke(app, [*command, "-o", str(tmp_path / "cut.pt")])
    assert done.exit_code == 130, done.output
    assert load_checkpoint(tmp_path / "cut.pt").attached is not None


def test_training_sees_the_train_split_alone(folder, tmp_path, stages, digits, monkeypatch):
    seen = []

    def watch_samples(attached, inputs, samples, *args, **kwargs):
        seen.append(samples)
        return train_heads(attached, inputs, samples, *args, **kwargs)

    monkeypatch.setattr(attach_module, "train_heads", watch_samples)
    attach(str(folder / "backbone.pt"), small(folder, tmp_path / "model.pt"), stages)
    images = {image.tobytes() for image in seen[0].inputs["x"]}
    assert images <= {image.tobytes() for image in digits["x_train"]}
    assert len(seen[0]) == len(digits["x_train"]) * 4 // 5


def test_joint_training_from_scratch_with_pruning(folder, tmp_path, stages):
    settings = AttachSettings(
        output=tmp_path / "joint.pt",
        heads="linear,conv3",
        arch_kwargs={"channels": [4, 6], "classes": 10, "in_channels": 1},
        data=str(folder / "backbone.npz"),
        input_shape=(1, 8, 8),
        input_dtype="uint8",
        scale=1 / 16,
        prune=True,
        train=TrainSettings(mode="joint", target="labels", epochs=2, batch=64),
    )
    report = attach("zoo:branchy_cnn", settings, stages)
    checkpoint = load_checkpoint(tmp_path / "joint.pt")
    assert checkpoint.arch == "branchy_cnn"
    assert {head.name for head in checkpoint.attached.heads} == set(checkpoint.attached.chosen)
    assert len(build_module(checkpoint, None)(torch.rand(2, 1, 8, 8))) == len(checkpoint.exits)
    assert report.next_command == f"eecompile build {tmp_path / 'joint.pt'} --data {folder / 'backbone.npz'}"


@pytest.mark.parametrize("flag", ["weights", "data"])
def test_it_does_not_write_over_what_it_reads(flag, tmp_path, stages):
    file = tmp_path / "own.pt"
    file.write_bytes(b"mine")
    given = {"weights": file} if flag == "weights" else {"data": str(file)}
    with pytest.raises(UserError, match=f"--output: is --{flag} .*own.pt itself"):
        attach("zoo:resnet18", AttachSettings(output=file, heads="linear", **given), stages)
    assert file.read_bytes() == b"mine"


def test_errors_are_the_projects(folder):
    with pytest.raises(EEError, match="--arch-args: got 'width', expected name=value"):
        run("attach", str(folder / "backbone.pt"), "--arch-args", "width")
