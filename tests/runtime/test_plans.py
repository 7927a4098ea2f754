"""Plans that came with a bundle from elsewhere are not loaded here, unless the user says so."""

import logging
import shutil
import zlib
from pathlib import Path

import pytest
from plans_of_the_host import PlansOfTheHost

from eengines.device_engine import Plan, PlanOptions
from eengines.devices.cpu import CpuDevice
from eengines.errors import UserError
from eerun.bundle import open_bundle
from eerun.plans import PlanSource, bundle_cache

OPTIONS = PlanOptions(buckets=(1, 8), compute_capability=(7, 5))
UNKNOWN = "there is no key of this user"


class Builder(PlansOfTheHost):
    """Notes what it is asked to load, and adds bytes to its plans that tell who built them."""

    def __init__(self, mark: bytes) -> None:
        self.mark = mark
        self.loaded: list[Plan] = []

    def build(self, graph, options, progress):
        return Plan(content=super().build(graph, options, progress).content + self.mark)

    def load(self, plan, device):
        self.loaded.append(plan)
        return super().load(Plan(content=zlib.compress(zlib.decompressobj().decompress(plan.content))), device)


@pytest.fixture
def bundle(tiny_bundle, tmp_path):
    """A copy of the tiny bundle without plans."""
    path = tmp_path / "tiny.ee"
    shutil.copytree(tiny_bundle.path, path)
    shutil.rmtree(path / "engines", ignore_errors=True)
    return open_bundle(path)


def run(bundle, builder, **settings):
    """Fetch the plan of the first segment and load it, as a configuration of a card does."""
    source = PlanSource(backend=builder, options=OPTIONS, cache=bundle_cache(bundle, **settings))
    graph = bundle.read(bundle.manifest.configurations[0].segments[0])
    plan, outcome = source.fetch(graph, label="segment 0")
    builder.load(plan, CpuDevice())
    return outcome


@pytest.fixture
def from_elsewhere(bundle, tmp_path, monkeypatch):
    """The bundle, with a plan that a user with another key made."""
    with monkeypatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path / "of somebody else"))
        run(bundle, Builder(b"theirs"))
    return bundle


def marks(builder) -> list[bytes]:
    return [plan.content[-6:].lstrip(b".") for plan in builder.loaded]


def test_the_plan_of_somebody_else_is_not_loaded(from_elsewhere, tmp_path):
    builder = Builder(b"..ours")
    outcome = run(from_elsewhere, builder)
    assert outcome.reason == (
        "segment 0: the kept plan was not made by this user: building again (--trust-plans takes it)"
    )
    assert run(from_elsewhere, builder).status == "hit"
    assert marks(builder) == [b"ours", b"ours"]


def test_the_plan_of_somebody_else_is_loaded_if_it_is_trusted(from_elsewhere):
    builder = Builder(b"..ours")
    assert run(from_elsewhere, builder, trust=True).status == "hit"
    assert marks(builder) == [b"theirs"]


@pytest.fixture
def homeless(monkeypatch):
    """A user without a home, as in a container with a user number of its own."""

    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "EECOMPILE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", home)


def test_without_a_home_plans_are_built_and_it_is_said_why(bundle, homeless, caplog):
    builder = Builder(b"..ours")
    with caplog.at_level(logging.WARNING, "eengines"):
        assert [run(bundle, builder).status for _ in range(2)] == ["built", "rebuilt"]
    assert UNKNOWN in caplog.text
    assert "XDG_CONFIG_HOME: it is not set, and this user has no home" in caplog.text
    assert run(bundle, builder, trust=True).status == "hit"


def test_without_a_home_a_bundle_that_cannot_be_written_runs(bundle, homeless, monkeypatch):
    (bundle.path / "engines").touch()  # even root cannot make a folder there
    monkeypatch.setattr("eerun.plans.os.access", lambda *_: False)
    outcome = run(bundle, Builder(b"..ours"))
    assert (outcome.status, outcome.not_kept) == ("built", "the cache cannot be written")


def test_a_key_that_others_can_read_costs_the_plans_not_the_run(bundle, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "mine"))
    builder = Builder(b"..ours")
    run(bundle, builder)
    (key,) = (tmp_path / "mine").rglob("plan.key")
    key.chmod(0o644)
    assert "may be anybody's" in run(bundle, builder).reason
    assert f"chmod 600 {key}" in caplog.text


def test_settings_of_the_cache_are_checked(bundle):
    with pytest.raises(UserError, match="max_bytes: got -1"):
        bundle_cache(bundle, max_bytes=-1)


@pytest.fixture
def linked(bundle, tmp_path):
    """The bundle, whose folder of plans leads to that of somebody else: `(bundle, their folder)`."""
    theirs = tmp_path / "of others"
    theirs.mkdir()
    (theirs / f"{'a' * 64}.plan").write_bytes(bytes(10_000))
    (bundle.path / "engines").symlink_to(theirs)
    return bundle, theirs


def test_a_folder_of_plans_that_is_a_link_is_not_used(linked, tmp_path, monkeypatch, caplog):
    bundle, theirs = linked
    monkeypatch.setenv("EECOMPILE_CACHE", str(tmp_path / "mine"))
    before = {path: path.stat() for path in theirs.iterdir()}
    assert run(bundle, Builder(b"..ours"), max_bytes=5000).status == "built"
    assert {path: path.stat() for path in theirs.iterdir()} == before
    assert [record.levelname for record in caplog.records if "it is a link" in record.message] == ["WARNING"]
    assert list((tmp_path / "mine").glob("*.plan"))


def test_a_link_and_no_home(linked, homeless):
    with pytest.raises(UserError, match="this user has no home"):
        bundle_cache(linked[0])


def test_notices_and_warnings_are_told_apart(bundle):
    said, warned = [], []
    graph = bundle.read(bundle.manifest.configurations[0].segments[0])
    for version in ("1.0", "2.0"):
        builder = Builder(b"..ours")
        builder.version = version
        cache = bundle_cache(bundle)
        source = PlanSource(backend=builder, options=OPTIONS, cache=cache, say=said.append, warn=warned.append)
        source.fetch(graph, label="segment 0")
    assert said == ["segment 0: no plan in the cache: building"]
    assert warned == ["segment 0: built with plans of the host 1.0, here is 2.0: building again"]
