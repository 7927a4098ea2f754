"""Configurations are added in one step; nothing else of the bundle changes."""

import os
from dataclasses import replace

import pytest
from bundle_maker import configuration, write

from eengines.errors import BundleError
from eerun.bundle import SCHEMA, DeviceEntry, PolicyFile, amend_bundle, configuration_name, open_bundle

T4 = DeviceEntry(
    name="NVIDIA T4", compute_capability="7.5", expected_us=1.5, workspace_bytes=None, optimisation_level=4
)
PLAN = f"{'a' * 64}.plan"
ADDED = configuration(engine="tensorrt", policy="policy/t4.json", costs="costs/t4.json", device=T4)


@pytest.fixture
def bundle(tmp_path):
    write(tmp_path / "m.ee")
    return open_bundle(tmp_path / "m.ee")


def files(bundle, thresholds=(0.25,)):
    costs = bundle.costs(bundle.manifest.configurations[0])
    return {
        "policy/t4.json": PolicyFile(policy="margin", thresholds=thresholds),
        "costs/t4.json": replace(costs, engine="tensorrt", device="NVIDIA T4"),
    }


def others(manifest):
    return (entry for entry in manifest.configurations if entry.name != ADDED.name)


def add(bundle, **given):
    amend_bundle(bundle.path, lambda manifest: (ADDED, *others(manifest)), files(bundle, **given))
    return open_bundle(bundle.path)


def test_a_configuration_is_added_and_all_else_stays(bundle):
    after = add(bundle)
    assert [entry.name for entry in after.manifest.configurations] == [
        "tensorrt-float32-nvidia-t4",
        "onnxruntime-float32",
    ]
    assert after.manifest.configurations[0].device == T4
    assert after.policy(after.manifest.configurations[0]).thresholds == (0.25,)
    assert set(after.manifest.files) - set(bundle.manifest.files) == {"policy/t4.json", "costs/t4.json"}
    assert {n: after.manifest.files[n] for n in bundle.manifest.files} == bundle.manifest.files
    after.verify_files()
    assert os.listdir(after.path.parent) == ["m.ee"]


def test_adding_again_replaces(bundle):
    once = add(bundle)
    again = add(once, thresholds=(0.75,))
    assert len(again.manifest.configurations) == 2
    assert again.policy(again.manifest.configurations[0]).thresholds == (0.75,)
    again.verify_files()


def test_files_that_nobody_names_any_more_go(bundle):
    after = add(bundle)
    amend_bundle(after.path, lambda manifest: manifest.configurations[1:], {})
    last = open_bundle(bundle.path)
    assert last.manifest.files == bundle.manifest.files
    assert not (bundle.path / "policy" / "t4.json").exists()


def test_kept_plans_come_along_and_need_no_listing(bundle):
    plans = bundle.path / "engines"
    plans.mkdir()
    (plans / PLAN).write_bytes(b"plan")
    after = add(bundle)
    assert (plans / PLAN).read_bytes() == b"plan"
    assert not any(name.startswith("engines") for name in after.manifest.files)
    after.verify_files()
    (bundle.path / "other").write_bytes(b"")
    with pytest.raises(BundleError, match="does not list: other"):
        after.verify_files()


def test_nothing_but_plans_comes_along(bundle, tmp_path):
    plans = bundle.path / "engines"
    plans.mkdir()
    (tmp_path / "of others").mkdir()
    (tmp_path / "of others" / PLAN).write_bytes(b"plan")
    (plans / "sub").symlink_to(tmp_path / "of others")
    (plans / PLAN).symlink_to(tmp_path / "of others" / PLAN)
    (plans / "note.txt").touch()
    add(bundle).verify_files()
    assert not plans.exists()
    plans.symlink_to(tmp_path / "of others")
    add(bundle).verify_files()
    assert not plans.exists()
    assert (tmp_path / "of others" / PLAN).read_bytes() == b"plan"


def test_a_damaged_bundle_is_not_amended(bundle):
    (bundle.path / "segments" / "1.onnx").write_bytes(b"short")
    before = (bundle.path / "manifest.json").read_bytes()
    with pytest.raises(BundleError, match=r"segments/1\.onnx"):
        add(bundle)
    assert (bundle.path / "manifest.json").read_bytes() == before
    assert os.listdir(bundle.path.parent) == ["m.ee"]


def test_a_bundle_of_version_2_0_has_no_devices(bundle, tmp_path):
    text = (bundle.path / "manifest.json").read_text()
    assert '"device": null' in text
    older = text.replace(SCHEMA, "eecompile.bundle/2.0").replace(',\n      "device": null', "")
    assert '"device"' not in older
    (bundle.path / "manifest.json").write_text(older)
    assert open_bundle(bundle.path).manifest.configurations[0].device is None
    assert add(bundle).manifest.schema == SCHEMA, "it has fields of this version now"


@pytest.mark.parametrize(
    ("device", "name"),
    [
        (None, "tensorrt-int8"),
        ("NVIDIA T4", "tensorrt-int8-nvidia-t4"),
        ("Tesla P100-PCIE-16GB", "tensorrt-int8-tesla-p100-pcie-16gb"),
        ("../..\\/x", "tensorrt-int8-..-..-x"),
    ],
)
def test_names_are_good_for_files(device, name):
    assert configuration_name("tensorrt", "int8", device) == name
    assert "/" not in name
