"""Whatever is done to a bundle, it is refused with the name of the file before anything of it is used."""

import json
import os
import shutil

import pytest
from bundle_maker import configuration, manifest, write

from eengines.engine_cache import CheckedFolder
from eengines.errors import BundleError, UserError
from eerun.bundle import find_bundle, open_bundle

KEY = "0" * 63 + "a"


@pytest.fixture
def bundle(tmp_path):
    write(tmp_path / "model.ee")
    return tmp_path / "model.ee"


def edit(bundle, change):
    file = bundle / "manifest.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def test_an_untouched_bundle_is_read(bundle):
    opened = open_bundle(bundle)
    opened.verify_files()
    assert opened.read("segments/1.onnx") == b"graphsegments/1.onnx"
    way = opened.manifest.configurations[0]
    assert opened.policy(way).thresholds == (0.5,)
    assert opened.costs(way).run_ms(0, 3) == 2.0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: f.write_bytes(f.read_bytes()[:-1]), "got 19 bytes, the manifest says 20"),
        (lambda f: f.write_bytes(f.read_bytes() + b"x"), "got 21 bytes, the manifest says 20"),
        (lambda f: f.write_bytes(b"X" * 20), "got sha256"),
        (lambda f: f.write_bytes((f.parent / "0.onnx").read_bytes()), "got sha256"),
        (lambda f: f.unlink(), "missing or is a link"),
        (lambda f: (f.unlink(), f.symlink_to(f.parent / "0.onnx")), "missing or is a link"),
    ],
)
def test_a_changed_file_is_refused_by_name(bundle, damage, message):
    damage(bundle / "segments" / "1.onnx")

    opened = open_bundle(bundle)
    with pytest.raises(BundleError, match=rf"segments/1\.onnx: .*{message}"):
        opened.read("segments/1.onnx")
    with pytest.raises(BundleError, match=message):
        opened.verify_files()


def test_swapped_segments_are_refused(bundle):
    a, b = bundle / "segments" / "0.onnx", bundle / "segments" / "1.onnx"
    a.rename(bundle / "c"), b.rename(a), (bundle / "c").rename(b)
    with pytest.raises(BundleError, match=r"segments/0\.onnx: got sha256"):
        open_bundle(bundle).read("segments/0.onnx")


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "segments/../../secret", "a\\b", ""])
def test_a_path_that_climbs_out_is_refused(bundle, name):
    edit(bundle, lambda m: m["files"].update({name: {"sha256": "0" * 64, "bytes": 1}}))
    with pytest.raises(BundleError, match="leads out of the bundle"):
        open_bundle(bundle)


def test_a_folder_that_is_a_link_is_refused(bundle, tmp_path):
    shutil.move(bundle / "segments", tmp_path / "elsewhere")
    (bundle / "segments").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="goes through a link"):
        open_bundle(bundle)


@pytest.mark.parametrize("schema", ["eecompile.bundle/1.0", "other/2.0", "eecompile.bundle", None, 7])
def test_an_unknown_version_is_refused_by_name(bundle, schema):
    edit(bundle, lambda m: m.update(schema=schema))
    with pytest.raises(BundleError, match=r"expected eecompile\.bundle/2\.x"):
        open_bundle(bundle)


def test_a_newer_minor_version_may_have_more_fields(bundle):
    edit(bundle, lambda m: m.update(schema="eecompile.bundle/2.9", news=[1, 2]))
    assert open_bundle(bundle).manifest.exits == ("a", "b")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.pop("segments"), "segments"),
        (lambda m: m.update(exits=["a"]), "2 segments for 1 exits"),
        (lambda m: m.update(split_seed="zero"), r"\$\.split_seed"),
        (lambda m: m["files"].pop("segments/1.onnx"), "not listed under files"),
        (lambda m: m["configurations"].clear(), "expected different ones, one of them float32"),
        (lambda m: m["configurations"].append(m["configurations"][0]), "expected different ones, one of them float32"),
        (lambda m: m["configurations"][0]["segments"].pop(), "has 1 graphs for 2 segments"),
        (lambda m: m["configurations"][0].update(costs="costs/x.json"), "'costs/x.json' is used but not listed"),
        (lambda m: m["segments"][0].update(file="segments/9.onnx"), "'segments/9.onnx' is used but not listed"),
        (lambda m: m["inputs"][0].update(shape="big"), r"\$\.inputs\[0\]\.shape"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(bundle, change, message):
    edit(bundle, change)
    with pytest.raises(BundleError, match=message):
        open_bundle(bundle)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_a_manifest_that_is_not_json_is_refused(bundle, content):
    (bundle / "manifest.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"manifest\.json"):
        open_bundle(bundle)


def test_an_oversized_manifest_is_refused_unread(bundle):
    os.truncate(bundle / "manifest.json", 17 * 2**20)
    with pytest.raises(BundleError, match="larger than"):
        open_bundle(bundle)


def test_an_extra_file_is_reported(bundle):
    (bundle / "segments" / "note.txt").write_text("hello")
    with pytest.raises(BundleError, match=r"does not list: segments/note\.txt"):
        open_bundle(bundle).verify_files()


def test_a_linked_folder_is_an_extra_file(bundle, tmp_path):
    (bundle / "more").symlink_to(tmp_path)
    with pytest.raises(BundleError, match="does not list: more"):
        open_bundle(bundle).verify_files()


@pytest.mark.parametrize("name", ["note.txt", f"{KEY}.plan.bak", "sub/a.plan", "run.sh"])
def test_only_plans_lie_among_the_plans(bundle, name):
    path = bundle / "engines" / name
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(BundleError, match=rf"does not list: engines/{name.split('/')[0]}"):
        open_bundle(bundle).verify_files()


@pytest.mark.parametrize("name", [f"engines/{KEY}.plan", "engines/folder.lock", "engines"])
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_links_and_pipes_are_no_plans(bundle, tmp_path, name, kind):
    path = bundle / name
    path.parent.mkdir(exist_ok=True)
    if kind == "link":
        path.symlink_to(tmp_path)
    else:
        os.mkfifo(path)
    with pytest.raises(BundleError, match=f"does not list: {name}"):
        open_bundle(bundle).verify_files()


def test_damaged_plans_are_counted_and_no_error(bundle):
    assert open_bundle(bundle).verify_files() == CheckedFolder()
    (bundle / "engines").mkdir()
    for name in (f"{KEY}.plan", f"{KEY[::-1]}.plan", "folder.lock"):
        (bundle / "engines" / name).touch()
    assert open_bundle(bundle).verify_files() == CheckedFolder(damaged=2)


def test_thresholds_that_do_not_fit_are_refused(tmp_path):
    one = configuration(segments=("segments/0.onnx",))
    write(tmp_path / "m.ee", exits=("a",), segments=manifest().segments[:1], configurations=(one,))
    with pytest.raises(BundleError, match="1 thresholds for 1 exits"):
        open_bundle(tmp_path / "m.ee").policy(one)


def test_the_only_bundle_of_a_folder(bundle, tmp_path):
    assert find_bundle(tmp_path) == bundle
    write(tmp_path / "other.ee")
    with pytest.raises(UserError, match=r"several bundles in it: model\.ee, other\.ee"):
        find_bundle(tmp_path)
    shutil.rmtree(tmp_path / "other.ee")
    write(tmp_path / "model-unfolded.ee")
    assert find_bundle(tmp_path) == bundle, "the one beside belongs to it"
    shutil.rmtree(bundle)
    assert find_bundle(tmp_path) == tmp_path / "model-unfolded.ee"
    shutil.rmtree(tmp_path / "model-unfolded.ee")
    with pytest.raises(UserError, match="no bundle"):
        find_bundle(tmp_path)
