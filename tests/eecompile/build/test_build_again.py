"""A build in the place of an older bundle brings its plans along, and comes before or after who amends that."""

import shutil
import threading

import pytest
from plans_of_the_host import PlansOfTheHost

from eengines.device_engine import PlanOptions
from eengines.engine_cache import CheckedFolder
from eerun.bundle import bundle_lock, open_bundle
from eerun.plans import PlanSource, bundle_cache

FAST = {"engine": "onnxruntime", "precision": "float32", "thresholds": (0.9, 0.8), "target": "cpu"}


@pytest.fixture(scope="module")
def first(plain, finished):
    """What a fast build makes."""
    return finished(plain, **FAST).path


@pytest.fixture
def old(first, tmp_path):
    """A bundle that will be replaced."""
    path = tmp_path / "net.ee"
    shutil.copytree(first, path)
    return path


def fetch(path, graph: bytes) -> str:
    cache = bundle_cache(open_bundle(path))
    source = PlanSource(backend=PlansOfTheHost(), options=PlanOptions(buckets=(1,)), cache=cache)
    return source.fetch(graph, label="segment 0")[1].status


def test_plans_come_along(plain, old, stages):
    assert fetch(old, b"a graph that stays") == "built"
    (old / "engines" / "note.txt").touch()
    before = open_bundle(old).manifest
    plain.build(stages, output=old, **{**FAST, "thresholds": (0.7, 0.6)})
    after = open_bundle(old)
    assert after.policy(after.manifest.chosen).thresholds == (0.7, 0.6)
    assert after.manifest.files != before.files
    assert after.verify_files() == CheckedFolder(whole=1)
    assert fetch(old, b"a graph that stays") == "hit"


def test_a_build_waits_for_who_amends(plain, old, stages):
    before = (old / "manifest.json").read_bytes()
    building = threading.Thread(target=plain.build, args=(stages,), kwargs={"output": old, **FAST})
    with bundle_lock(old):
        building.start()
        while "write the bundle" not in stages.titles and building.is_alive():
            building.join(0.05)
        building.join(0.3)
        assert building.is_alive()
        assert (old / "manifest.json").read_bytes() == before
    building.join()
    assert (old / "manifest.json").read_bytes() != before
