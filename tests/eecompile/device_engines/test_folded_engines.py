"""Engines of a folded network: plans and costs in rows, buckets and answers in images, thresholds tuned by groups."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from folded_bundles import FOLD, SEGMENTS, write_pair
from plans_of_the_host import NAME, CpuCard, PlansOfTheHost
from silent_stages import SilentStages

import eerun
from eecalib.expected_cost import expected_batch_ms
from eecalib.record import record_exits
from eecalib.replay import replay
from eecalib.whole_groups import dealt_groups
from eecompile.device_engines import EnginesSettings, build_engines
from eengines.backends import DEVICE_BACKENDS
from eengines.engine import Capability
from eengines.errors import EngineError, UserError
from eerun.bundle import FoldEntry, TargetEntry, open_bundle
from eerun.bundle.rewrite import rewrite_bundle
from eerun.choose_configuration import choose_configuration
from eerun.data import load_data, make_splits
from eerun.device_settings import DeviceSettings
from eerun.folding import GroupExit, leave_in_groups

TARGET = TargetEntry(
    target="t4",
    precision="float32",
    opset=18,
    segments=SEGMENTS,
    whole="segments/whole.onnx",
    policy="policy/policy.json",
    agreement=None,
)


class Stages(SilentStages):
    """Keeps what a run explains."""

    def __init__(self) -> None:
        self.details: list[str] = []

    def detail(self, text: str) -> None:
        self.details.append(text)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A bundle folded by 4 with graphs for a T4, whose groups leave when most of their images have passed."""
    pair = write_pair(tmp_path_factory.mktemp("folded"), rule=GroupExit.MAJORITY)
    rewrite_bundle(pair.path, lambda manifest: replace(manifest, targets=(TARGET,)), {})
    return pair.path


@pytest.fixture
def bundle(made, tmp_path) -> Path:
    """A copy, with its data beside it."""
    shutil.copytree(made, tmp_path / "net.ee")
    shutil.copy(made.with_suffix(".npz"), tmp_path / "net.npz")
    return tmp_path / "net.ee"


@pytest.fixture
def settings(monkeypatch) -> EnginesSettings:
    """Fast ones, for a backend that builds for a T4 on this machine."""
    monkeypatch.setitem(DEVICE_BACKENDS, NAME, "plans_of_the_host:PlansOfTheHost")
    return EnginesSettings(engine=NAME, measure_seconds=0.0, max_drop=0.15)


@pytest.fixture
def card(monkeypatch) -> CpuCard:
    """A card is here."""
    device = CpuCard(seed=4)
    monkeypatch.setattr("eengines.devices.cuda.probe_cuda", lambda *_: Capability(ok=True, reason="a card"))
    monkeypatch.setattr("eengines.devices.cuda.open_cuda_device", lambda _: device)
    return device


def test_measured_and_tuned_in_rows_and_told_in_images(bundle, card, settings):
    stages = Stages()
    before = open_bundle(bundle)
    (found,) = build_engines(bundle, settings, stages).configurations
    after = open_bundle(bundle)
    after.verify_files()
    entry = after.manifest.configurations[0]
    assert entry.name == found.name
    assert found.costs.buckets == before.costs(before.manifest.chosen).buckets
    assert found.batch == FOLD * found.costs.max_batch
    assert entry.device.expected_us == pytest.approx(1000 * found.expected_ms / found.batch)
    assert after.policy(entry).group_exit is GroupExit.MAJORITY

    data = make_splits(load_data(bundle.with_suffix(".npz"), input_names=["x"]), seed=after.manifest.split_seed)
    samples, left_out = dealt_groups(data["tune"], FOLD, seed=after.manifest.split_seed, where="tune")
    assert left_out
    assert any(f"{left_out} of {len(data['tune'])} images left out" in line for line in stages.details)
    way = choose_configuration(after, engine=NAME, device=DeviceSettings(device=card))
    table = record_exits(way.open_chain(), samples, lambda _: None)
    assert (table.fold, table.rule) == (FOLD, GroupExit.MAJORITY)
    reached = replay(table, found.thresholds).reached
    assert 0 < reached[1] < 1
    expected = expected_batch_ms(found.costs, reached=reached, batch=found.costs.max_batch)
    assert found.expected_ms == pytest.approx(expected)


def test_images_are_answered_as_groups_leave(bundle, card, settings):
    build_engines(bundle, settings, Stages())
    x = np.load(bundle.with_suffix(".npz"))["x"][:103]
    model = eerun.load(bundle, device=card)
    assert model.engine == NAME
    way = choose_configuration(open_bundle(bundle), engine=NAME, device=DeviceSettings(device=card))
    executor = way.open_chain()
    assert executor.max_batch == 16
    scores = np.concatenate([executor.record({"x": x[start : start + 16]})[1] for start in range(0, len(x), 16)])
    truth = leave_in_groups(scores, model.thresholds, fold=FOLD, rule=GroupExit.MAJORITY)
    result = model.infer(x)
    assert result.exit_index.tolist() == truth.answered.tolist()
    assert set(result.exit_index.tolist()) == {0, 1}
    whole = way.open_whole().infer({"x": x})
    assert np.array_equal(whole.argmax(axis=1), model.infer(x, exits=False).labels)


def test_without_data_the_thresholds_of_the_build_stay(bundle, card, settings):
    bundle.with_suffix(".npz").unlink()
    (found,) = build_engines(bundle, settings, Stages()).configurations
    assert not found.tuned
    assert found.expected_ms == pytest.approx(sum(row[-1] for row in found.costs.segment_ms))


def test_buckets_are_images(bundle, card, settings):
    (found,) = build_engines(bundle, replace(settings, buckets=(32, 8, 8)), Stages()).configurations
    assert found.costs.buckets == (2, 8)
    assert found.batch == 32
    with pytest.raises(UserError, match=r"got 8,6 images for a network folded by 4.*multiples of 4.*Give .* 4,32"):
        build_engines(bundle, replace(settings, buckets=(8, 6)), Stages())
    with pytest.raises(UserError, match="expected numbers up to 16384"):
        build_engines(bundle, replace(settings, buckets=(4, 16388)), Stages())


def test_more_images_a_row_than_a_device_takes_are_refused_before_anything_is_built(
    bundle, card, settings, monkeypatch
):
    monkeypatch.setattr(PlansOfTheHost, "built", 0)
    fold = FoldEntry(factor=33, widths="exact")
    rewrite_bundle(bundle, lambda manifest: replace(manifest, fold=fold), {})
    with pytest.raises(EngineError, match="folded by 33, more than 32, and such networks run on the CPU only"):
        build_engines(bundle, settings, Stages())
    assert PlansOfTheHost.built == 0


def test_tensorrt_for_rtx_builds_folded_segments(bundle):
    """Ahead of time, without a card: shapes of rows, `[batch, 4, 3, 6, 6]` in and `[batch, 4]` scores out."""
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed: pip install 'eecompile[rtx]'")
    settings = EnginesSettings(engine="tensorrt_rtx", target="t4", buckets=(4, 16))
    report = build_engines(bundle, settings, Stages())
    assert [plan.status for plan in report.plans] == ["built"] * 3
    assert report.next_command is not None
    assert "--buckets 4,16" in report.next_command
