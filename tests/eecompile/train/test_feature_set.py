"""Features: from the same augmented samples as the answer, kept or computed again."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from eecompile.attach.attached import Attached
from eecompile.attach.attachment import AttachedHead, Attachment
from eecompile.heads.base import Tap
from eecompile.train.arithmetic import Arithmetic
from eecompile.train.feature_plan import FeaturePlan, plan_features
from eecompile.train.feature_set import FeatureSet
from eecompile.train.frozen_trunk import FrozenTrunk
from eecompile.train.sample_reader import SampleReader
from eecompile.train.settings import TrainSettings

FLOAT32 = Arithmetic(device=torch.device("cpu"), dtype=torch.float32)
ROWS = np.arange(5, 45)


@pytest.fixture
def features(attach, image, scans, tmp_path):
    """A set of 40 scans in two augmented copies: `(plan, attached=..., stored=...)`."""
    folders = iter(range(100))

    def make(plan: FeaturePlan, *, attached: Attached | None = None, stored: torch.dtype = torch.float32) -> FeatureSet:
        network = attached or attach("linear")
        settings = TrainSettings(augmentation="crop-flip", views=2)
        reader = SampleReader([image], scans.train, (10,), settings, FLOAT32.device)
        trunk = FrozenTrunk(network, reader.inputs(ROWS[:2], None))
        changes = (reader.draw(0), reader.draw(1))
        made = FeatureSet(reader, trunk, ROWS, changes, FLOAT32, stored=stored)
        folder = tmp_path / str(next(folders))
        folder.mkdir()
        made.keep(plan, folder, 16, lambda _: None)
        return made

    return make


PLANS = {
    "kept": plan_features(0, {"stage_0": 1, "stage_1": 1, "stage_2": 1}, 3),
    "partly": plan_features(0, {"stage_0": 9, "stage_1": 1, "stage_2": 1}, 3),
    "computed": plan_features(9, {"stage_0": 1, "stage_1": 1, "stage_2": 1}, 3),
}
POSITIONS = np.array([39, 3, 17, 0])


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("copy", [0, 1])
def test_features_and_answer_come_from_the_same_augmented_sample(plan, copy, features, attach):
    """The trunk's last layer on the feature of the last tap is its answer, in every copy."""
    attached = attach("linear")
    batch = features(plan, attached=attached).read(POSITIONS, copy)
    with torch.no_grad():
        from_last = attached.trunk.last(batch.features["stage_2"].flatten(1))
        from_first = attached.trunk.stage_2(attached.trunk.stage_1(batch.features["stage_0"]))
    assert torch.allclose(from_last, batch.answer, atol=1e-4)
    assert torch.allclose(from_first, batch.features["stage_2"], atol=1e-4)


def test_copies_differ_and_keep_their_labels(features, scans):
    kept = features(PLANS["kept"])
    first, second = kept.read(POSITIONS, 0), kept.read(POSITIONS, 1)
    assert not torch.allclose(first.answer, second.answer, atol=0.1)
    assert first.labels.tolist() == second.labels.tolist() == scans.train.labels[ROWS[POSITIONS]].tolist()


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16])
def test_what_is_computed_again_is_what_was_kept(features, stored):
    kept, partly, computed = (features(plan, stored=stored).read(POSITIONS, 1) for plan in PLANS.values())
    tolerance = 1e-5 if stored is torch.float32 else 2**-7  # one step of bfloat16, where float32 rounds to both sides
    for name, tensor in kept.features.items():
        assert torch.equal(tensor, tensor.to(stored).float())
        for other in (partly, computed):
            assert torch.allclose(tensor, other.features[name], rtol=tolerance, atol=1e-5), name
    assert torch.allclose(kept.answer, computed.answer, atol=1e-4)


def test_an_epoch_runs_the_trunk_no_further_than_needed(features, attach):
    attached = attach("linear")
    made = features(PLANS["partly"], attached=attached)
    ran = []
    for name in ("stage_0", "stage_1", "last"):
        attached.trunk.get_submodule(name).register_forward_hook(lambda *_, name=name: ran.append(name))
    made.read(POSITIONS, 0)
    assert ran == ["stage_0"]
    made = features(PLANS["kept"], attached=attached)
    ran.clear()
    made.read(POSITIONS, 0)
    assert ran == []


def test_files_are_as_large_as_promised(features, tmp_path):
    made = features(PLANS["kept"], stored=torch.bfloat16)
    files = sorted(path.stat().st_size for path in Path(tmp_path).rglob("*") if path.is_file())
    assert files == sorted([made.answer_bytes, *made.tap_bytes.values()])
    assert made.tap_bytes["stage_0"] == 2 * 40 * 8 * 8 * 8 * 2


class Overwriting(nn.Module):
    """The ReLU overwrites what the tap in front of it gave."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.relu, self.last = nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.relu(self.first(x)))


def test_a_feature_that_is_overwritten_later_is_what_heads_read():
    torch.manual_seed(0)
    head = AttachedHead(name="first-linear", tap="first", kind="linear")
    taps = (Tap(name="first", shape=(4,), macs=1),)
    attached = Attached(
        Overwriting(), [nn.Linear(4, 3)], Attachment(taps=taps, heads=(head,), chosen=(head.name,), output=(3,))
    ).eval()
    x = torch.randn(6, 4)
    features, answer = FrozenTrunk(attached, [x]).run([x], until="first")
    assert answer is None
    assert features["first"].min() == 0
    assert torch.equal(attached.candidates(features)["first-linear"], attached(x)[0])
