"""Files of a bundle are replaced in one step; what stays is the same file."""

from dataclasses import replace

import pytest
from bundle_maker import configuration, write

from eengines.errors import BundleError
from eerun.bundle import OverlaidBundle, PolicyFile, bundle_lock, open_bundle, rewrite_bundle

FIRST = "segments/0.onnx"


@pytest.fixture
def bundle(tmp_path):
    write(tmp_path / "m.ee")
    return open_bundle(tmp_path / "m.ee")


def test_new_bytes_are_listed_and_all_else_is_the_same_file(bundle):
    numbers = {name: (bundle.path / name).stat().st_ino for name in bundle.manifest.files}
    with bundle_lock(bundle.path):
        rewrite_bundle(bundle.path, lambda manifest: replace(manifest, source="new.pt"), {FIRST: b"new"})
    after = open_bundle(bundle.path)
    after.verify_files()
    assert after.manifest.source == "new.pt"
    assert after.read(FIRST) == b"new"
    assert {name for name in numbers if (bundle.path / name).stat().st_ino != numbers[name]} == {FIRST}


def test_whoever_has_the_old_file_open_still_reads_it(bundle):
    with (bundle.path / FIRST).open("rb") as file:
        rewrite_bundle(bundle.path, lambda manifest: manifest, {FIRST: b"new"})
        assert file.read() == b"graph" + FIRST.encode()


def test_what_nobody_names_any_more_goes(bundle):
    way = configuration(engine="openvino", policy="policy/other.json", costs="costs/costs.json")
    add = PolicyFile(policy="margin", thresholds=(0.1,))
    both = (*bundle.manifest.configurations, way)
    rewrite_bundle(bundle.path, lambda manifest: replace(manifest, configurations=both), {way.policy: add})
    assert way.policy in open_bundle(bundle.path).manifest.files
    rewrite_bundle(bundle.path, lambda manifest: replace(manifest, configurations=both[:1]), {})
    assert open_bundle(bundle.path).manifest.files == bundle.manifest.files


def test_a_manifest_that_names_what_is_not_there_is_refused(bundle):
    way = configuration(engine="openvino", policy="policy/other.json")
    with pytest.raises(BundleError, match=r"openvino-float32 needs policy/other\.json, which the bundle does not have"):
        rewrite_bundle(bundle.path, lambda manifest: replace(manifest, configurations=(way,)), {})
    assert open_bundle(bundle.path).manifest == bundle.manifest


def test_an_overlay_reads_what_will_be_written(bundle):
    new = OverlaidBundle(path=bundle.path, manifest=bundle.manifest, replaced={FIRST: b"new"})
    assert new.read(FIRST) == b"new"
    assert new.read("segments/1.onnx") == bundle.read("segments/1.onnx")
    assert bundle.read(FIRST) != b"new"
