"""What `eecompile export` writes, and what it refuses to write over."""

import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from folded_bundles import write_pair
from triton_backend import TritonModelFolder, read_config

import eerun
from eecompile.export import ExportSettings, InstanceKind, export_bundle
from eengines.errors import BundleError, UserError
from eerun.bundle import DeviceEntry, open_bundle, rewrite_bundle

SETTINGS = ExportSettings(name="net", threads=2, engine="onnxruntime")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return write_pair(tmp_path_factory.mktemp("pair"))


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_command(pair, tmp_path, command_environment):
    out = tmp_path / "models"
    command = ["eecompile", "export", pair.unfolded, "--to", "triton", out, "--name", "net", "--threads", "2"]
    done = subprocess.run(command, env=command_environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "net: version 1, engine auto, precision auto, threads 2, batches up to 16" in done.stdout
    assert sorted(path.name for path in out.iterdir()) == ["net"]
    assert sorted(path.name for path in (out / "net").iterdir()) == ["1", "config.pbtxt"]
    assert files(out / "net" / "1" / "model.ee") == files(pair.unfolded)
    again = subprocess.run(command, env=command_environment, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "this version is there already. Choose another --version, or replace it with --force." in again.stderr


def test_the_program_does_not_need_the_compiler(pair, tmp_path):
    export_bundle(pair.unfolded, SETTINGS, tmp_path)
    program = f"import sys; sys.path.insert(0, {str(sys.path[0])!r}); sys.path += {sys.path!r}\n" + (
        "from pathlib import Path\nfrom triton_backend import TritonModelFolder\n"
        f"TritonModelFolder(Path({str(tmp_path / 'net')!r})).model.finalize()\n"
        "print(*(name for name in ('torch', 'onnx', 'eecompile', 'starlette') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_versions_stand_beside_each_other(pair, tmp_path):
    export_bundle(pair.unfolded, SETTINGS, tmp_path)
    export_bundle(pair.unfolded, replace(SETTINGS, version=2), tmp_path)
    assert sorted(path.name for path in (tmp_path / "net").iterdir()) == ["1", "2", "config.pbtxt"]
    with TritonModelFolder(tmp_path / "net", "2") as model:
        (answer,) = model.execute(model.request({"x": pair.x[:2]}))
        assert set(answer) == {"logits", "label", "exit_index", "exit_confidence"}


def test_a_version_with_another_configuration_is_refused_unless_forced(pair, tmp_path):
    export_bundle(pair.unfolded, SETTINGS, tmp_path)
    other = replace(SETTINGS, version=2, max_batch=4)
    before = files(tmp_path)
    with pytest.raises(UserError, match="other versions have another configuration"):
        export_bundle(pair.unfolded, other, tmp_path)
    assert files(tmp_path) == before
    export_bundle(pair.unfolded, replace(other, force=True), tmp_path)
    assert read_config(tmp_path / "net").max_batch_size == 4
    assert sorted(path.name for path in (tmp_path / "net").iterdir()) == ["1", "2", "config.pbtxt"]


def test_force_replaces_a_version_and_leaves_nothing_behind(pair, tmp_path):
    export_bundle(pair.unfolded, SETTINGS, tmp_path)
    (tmp_path / "net" / "1" / "model.py").write_text("old")
    export_bundle(pair.unfolded, replace(SETTINGS, force=True), tmp_path)
    assert (tmp_path / "net" / "1" / "model.py").read_text() != "old"
    assert [path.name for path in tmp_path.iterdir()] == ["net"]
    assert sorted(path.name for path in (tmp_path / "net").iterdir()) == ["1", "config.pbtxt"]


def test_a_damaged_bundle_is_not_exported(pair, tmp_path):
    shutil.copytree(pair.unfolded, tmp_path / "m.ee")
    (tmp_path / "m.ee" / "report" / "summary.json").write_text("{ }")
    with pytest.raises(BundleError, match=r"summary\.json"):
        export_bundle(tmp_path / "m.ee", SETTINGS, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_place_that_is_something_else_is_refused(pair, tmp_path):
    (tmp_path / "net").write_text("mine")
    with pytest.raises(UserError, match="is not a folder"):
        export_bundle(pair.unfolded, replace(SETTINGS, force=True), tmp_path)
    with pytest.raises(UserError, match="cannot be written"):
        export_bundle(pair.unfolded, SETTINGS, tmp_path / "net")
    assert (tmp_path / "net").read_text() == "mine"


def test_a_bundle_whose_name_is_no_models_name(pair, tmp_path):
    shutil.copytree(pair.unfolded, tmp_path / "my net.ee")
    with pytest.raises(UserError, match="--name"):
        export_bundle(tmp_path / "my net.ee", replace(SETTINGS, name=None), tmp_path / "out")


def test_what_the_bundle_does_not_have_is_refused(pair, tmp_path):
    for changes, words in (
        ({"precision": "int8"}, "it has onnxruntime-float32"),
        ({"instance_kind": InstanceKind.GPU, "engine": "auto"}, "eecompile engines"),
    ):
        with pytest.raises(UserError, match=words):
            export_bundle(pair.unfolded, replace(SETTINGS, **changes), tmp_path)


CARD = DeviceEntry(
    name="A Card", compute_capability="9.0", expected_us=1.0, workspace_bytes=None, optimisation_level=None
)


@pytest.mark.parametrize(("kind", "engine"), [(InstanceKind.CPU, "onnxruntime"), (InstanceKind.GPU, "tensorrt")])
def test_a_bundle_for_both_kinds_runs_on_the_one_that_was_asked_for(pair, tmp_path, kind, engine):
    shutil.copytree(pair.unfolded, tmp_path / "m.ee")
    way = open_bundle(pair.unfolded).manifest.configurations[0]
    ways = (replace(way, engine="tensorrt", device=CARD), way)
    rewrite_bundle(tmp_path / "m.ee", lambda manifest: replace(manifest, configurations=ways), {})
    model = export_bundle(tmp_path / "m.ee", ExportSettings(instance_kind=kind), tmp_path / "out")
    assert model.parameters == {"engine": engine, "precision": "float32"}
    assert read_config(tmp_path / "out" / "m").instance_group[0].kind == (1 if kind is InstanceKind.GPU else 2)


def test_a_batch_that_the_bundle_was_not_built_for_is_refused(pair, tmp_path):
    with pytest.raises(UserError, match=r"--max-batch: got 17, the bundle was built for batches up to 16"):
        export_bundle(pair.unfolded, replace(SETTINGS, max_batch=17), tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_bundle_is_loaded_as_was_asked(pair, tmp_path, monkeypatch):
    asked, load = [], eerun.load
    monkeypatch.setattr(eerun, "load", lambda path, **given: asked.append(given) or load(path, **given))
    export_bundle(pair.unfolded, replace(SETTINGS, precision="float32"), tmp_path)
    assert asked == [{"engine": "onnxruntime", "precision": "float32", "threads": 2}]
