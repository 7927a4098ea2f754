"""`eecompile plan`: text, JSON, and mistakes."""

import dataclasses
import json

import pytest
import torch
import typer
from typer.testing import CliRunner

from eecompile.checkpoint import Checkpoint, InputInfo, save_checkpoint
from eecompile.cli.main import app
from eecompile.fold_plan import PlanSettings
from eecompile.zoo.folded_cnn import game_cnn
from eengines.errors import IngestError, UserError

TASK = "lol/timer-minutes"
ZOO = ("zoo:game_cnn", "--arch-args", f"task={TASK}", "--input-shape", "3,15,35", "--fold", "2,4")


def plan(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["plan", *map(str, arguments)])
    if done.exception is not None:
        raise done.exception
    return done.stdout


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return Checkpoint(
        arch="game_cnn",
        arch_kwargs={"task": TASK},
        state_dict=game_cnn(TASK).state_dict(),
        exits=("final",),
        inputs=(InputInfo(name="x", shape=(15, 35, 3), dtype="uint8", layout="NHWC", scale=1 / 255),),
        task="classification",
        classes=None,
    )


@pytest.fixture(scope="module")
def model(checkpoint, tmp_path_factory):
    path = tmp_path_factory.mktemp("plan") / "model.pt"
    save_checkpoint(path, checkpoint)
    return path


def test_text_and_json_say_the_same(model, tmp_path):
    shown = plan(model, "--fold", "2,4", "--target", "t4", "--json", tmp_path / "plan.json")
    found = json.loads((tmp_path / "plan.json").read_bytes())
    assert f"{model} on t4 in float16, 1024 images at once" in shown
    assert "by its data sheet: the ridge is at 203.1 operations a byte" in shown
    assert found["ridge"] == pytest.approx(203.125)
    assert [variant["fold"] for variant in found["variants"]] == [1, 2, 4]
    for layer in found["layers"]:
        (line,) = [line for line in shown.splitlines() if line.startswith(f"{layer['name']} ")]
        assert f"{layer['intensity']:.1f}" in line
        assert line.endswith("above" if layer["above_ridge"] else "below")
    for variant in found["variants"]:
        assert f"  {variant['speed']:.2f}x\n" in shown
        assert f"{variant['intensity']:.1f}" in shown
    assert "AN ESTIMATE" in shown
    assert f"Advice: try --fold {found['advice']['fold']} (" in shown
    assert all(reason in shown for reason in found["advice"]["reasons"])


def test_a_checkpoint_and_its_architecture_have_one_plan(model, tmp_path):
    plan(model, "--fold", "2,4", "--target", "t4", "--json", tmp_path / "a.json")
    plan(*ZOO, "--target", "t4", "--json", tmp_path / "b.json")
    first, second = (json.loads((tmp_path / name).read_bytes()) for name in ("a.json", "b.json"))
    assert first.pop("model") != second.pop("model")
    assert first == second


def test_where_folding_does_not_pay_it_says_so():
    shown = plan(*ZOO, "--peak-tera-ops", "0.1", "--memory-gigabytes", "100000")
    assert "Advice: do not fold for this." in shown
    assert "Every layer is above the ridge" in shown
    assert "eecompile build" not in shown


def test_this_machine_is_the_default_target_and_measured(tmp_path):
    shown = plan(*ZOO, "--json", tmp_path / "plan.json")
    assert "on cpu in float32" in shown
    roofline = json.loads((tmp_path / "plan.json").read_bytes())["roofline"]
    assert roofline["source"] == "measured here: a matrix product and a copy"
    assert 0 < roofline["tera_ops"] < 1e3
    assert 0 < roofline["gigabytes"] < 1e4


def test_mistakes(model, checkpoint, tmp_path):
    folded, text, two = (tmp_path / name for name in ("folded.pt", "text.pt", "two.pt"))
    torch.save({"w": torch.zeros(1)}, tmp_path / "weights.pt")
    single = checkpoint.inputs[0]
    changes = {
        text: (InputInfo(name="ids", shape=(16,), dtype="int64"),),
        two: (single, dataclasses.replace(single, name="y")),
    }
    for path, inputs in changes.items():
        save_checkpoint(path, dataclasses.replace(checkpoint, inputs=inputs))
    content = torch.load(model, weights_only=True)
    torch.save({**content, "fold": 4, "fold_widths": "exact"}, folded)
    for arguments, error, message in [
        ((model, "--target", "p40"), UserError, "--target: got 'p40', known are cpu, p100"),
        ((model, "--target", "t4", "--precision", "bfloat16"), UserError, "--target t4: got bfloat16"),
        ((model, "--fold", "two"), UserError, "--fold: got 'two', expected whole numbers"),
        ((model, "--input-shape", "3,15,35"), UserError, "got --input-shape, but a checkpoint describes itself"),
        ((model, "--arch-args", "task=x"), UserError, "got --arch-args, but a checkpoint describes itself"),
        (("zoo:game_cnn", "--arch-args", f"task={TASK}"), UserError, "Pass --input-shape"),
        ((*ZOO, "--factory", "a:b"), UserError, "got --factory, but the zoo names the network"),
        (("zoo:nothing", "--input-shape", "3,8,8"), IngestError, "arch 'nothing'"),
        ((folded, "--target", "t4"), IngestError, "is folded by 4 already"),
        ((text, "--target", "t4"), IngestError, r"takes samples of shape \[16\], expected images"),
        ((two, "--target", "t4"), IngestError, "has 2 inputs, expected one"),
        ((tmp_path / "weights.pt",), IngestError, "not a checkpoint of this project"),
    ]:
        with pytest.raises(error, match=message):
            plan(*arguments)


def test_every_setting_has_a_flag_of_its_default():
    renamed, shown = {"arch_kwargs": "arch_args"}, {"fold": "2,3,4,8"}
    parameters = {p.name: p for p in typer.main.get_command(app).commands["plan"].params}
    fields = {renamed.get(field.name, field.name): field for field in dataclasses.fields(PlanSettings)}
    assert set(fields) == set(parameters) - {"model", "json_file", "help"}
    for name, field in fields.items():
        expected, default = shown.get(name, getattr(PlanSettings(), field.name)), parameters[name].default
        assert default == expected or (not default and not expected), name
