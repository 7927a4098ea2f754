"""A bundle with attached heads on real digit scans, and recent scans of a few classes, blurred by noise."""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from silent_stages import SilentStages
from sklearn.datasets import load_digits
from torch.nn import functional

import eerun
from eecompile.attach.attach import attach
from eecompile.attach.settings import AttachSettings
from eecompile.build import BuildSettings, build
from eecompile.checkpoint import Checkpoint, InputInfo, save_checkpoint
from eecompile.refresh import RefreshReport, RefreshSettings, refresh
from eecompile.refresh.write_refresh import Replacement, write_refresh
from eecompile.train.settings import TrainSettings
from eecompile.zoo import lookup
from eerun.bundle import Bundle, amend_bundle, open_bundle

ARCH = {"channels": [8, 16, 32], "classes": 10, "in_channels": 1}
RECENT_CLASSES = (1, 3, 8, 9)
RECENT = 900
MIN_GAIN = 0.1
"""The first head gains more than that, the second less: it is nearly right before."""


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """One thread is enough for small networks, and sums do not depend on the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def silent() -> SilentStages:
    """Stages of which nobody asks anything."""
    return SilentStages()


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """A bundle, and its checkpoint beside it.

    Attributes:
        folder: holds `model.ee`, `model.pt`, and `recent.npz`.
    """

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / "model.ee"

    @property
    def model(self) -> Path:
        return self.folder / "model.pt"

    @property
    def bundle(self) -> Bundle:
        return open_bundle(self.path)

    def copy(self, folder: Path) -> "Deployed":
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Deployed(folder=folder)

    def content(self) -> dict[str, bytes]:
        """Every file by path, but the lock."""
        files = (path for path in self.folder.rglob("*") if path.is_file() and path.suffix != ".lock")
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}

    def settings(self, *, epochs: int = 10, **changes: Any) -> RefreshSettings:
        train = TrainSettings(epochs=epochs, batch=32, validation=0.25, device="cpu", precision="float32")
        given = {"data": str(self.folder / "recent.npz"), "min_gain": MIN_GAIN, "train": train}
        return RefreshSettings(**{**given, **changes})

    def refresh(self, stages: Any, **changes: Any) -> RefreshReport:
        return refresh(self.path, self.settings(**changes), stages)


def trained_trunk(x: np.ndarray, y: np.ndarray) -> torch.nn.Module:
    """A few epochs of the last exit."""
    torch.manual_seed(0)
    trunk = lookup("branchy_cnn")(**ARCH).train()
    optimiser = torch.optim.SGD(trunk.parameters(), 0.02, momentum=0.9, nesterov=True)
    images, labels = torch.from_numpy(x).float() / 16, torch.from_numpy(y)
    for _ in range(6):
        for index in torch.randperm(len(x)).split(32):
            optimiser.zero_grad()
            functional.cross_entropy(trunk(images[index])[-1], labels[index]).backward()
            optimiser.step()
    return trunk.eval()


def scans() -> tuple[np.ndarray, np.ndarray]:
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    return digits.images.astype(np.uint8)[order, None], digits.target.astype(np.int64)[order]


def draw_recent(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scans of a few classes with noise: what traffic may turn into."""
    random = np.random.default_rng(1)
    picked = random.choice(np.flatnonzero(np.isin(y, RECENT_CLASSES)), RECENT)
    noisy = x[picked] + random.normal(0, 1.5, (RECENT, *x.shape[1:]))
    return np.clip(noisy, 0, 16).round().astype(np.uint8), y[picked]


@pytest.fixture(scope="session")
def backbone(tmp_path_factory) -> Path:
    """The trained trunk, with the data that it was trained on and others beside it."""
    folder = tmp_path_factory.mktemp("backbone")
    x, y = scans()
    with torch.random.fork_rng([]):
        trunk = trained_trunk(x[:900], y[:900])
    info = InputInfo(name="x", shape=(1, 8, 8), dtype="uint8", layout="NCHW", scale=1 / 16, range=(0, 16))
    checkpoint = Checkpoint(
        arch="branchy_cnn",
        arch_kwargs=ARCH,
        state_dict=trunk.state_dict(),
        exits=("a", "b", "c"),
        inputs=(info,),
        task="classification",
        classes=None,
    )
    save_checkpoint(folder / "backbone.pt", checkpoint)
    arrays = {"x_train": x[:900], "y_train": y[:900], "x_test": x[900:], "y_test": y[900:]}
    np.savez(folder / "backbone.npz", **arrays)
    recent_x, recent_y = draw_recent(x[900:], y[900:])
    np.savez(folder / "recent.npz", x=recent_x, y=recent_y)
    return folder / "backbone.pt"


@pytest.fixture(scope="session")
def deployed(backbone, tmp_path_factory) -> Deployed:
    """A bundle with two attached heads, built for every engine and precision; costs do not depend on the machine."""
    folder, stages = tmp_path_factory.mktemp("deployed"), SilentStages()
    train = TrainSettings(epochs=5, batch=32, device="cpu", precision="float32")
    settings = AttachSettings(
        output=folder / "model.pt", at=("stages.0", "stages.1"), heads="linear,pool(64,16)", train=train
    )
    attach(str(backbone), replace(settings, data=str(backbone.with_suffix(".npz"))), stages)
    shutil.copy(backbone.with_name("recent.npz"), folder / "recent.npz")
    wanted = BuildSettings(
        data=str(backbone.with_suffix(".npz")), max_batch=16, buckets=(1, 16), measure_seconds=0.0, max_drop=0.02
    )
    build(folder / "model.pt", wanted, stages)
    made = Deployed(folder=folder)
    bundle = made.bundle
    factors = {entry.costs: 1.0 + index for index, entry in enumerate(bundle.manifest.configurations)}
    costs = {
        entry.costs: replace(
            bundle.costs(entry),
            segment_ms=((0.1 * factors[entry.costs], 1.0 * factors[entry.costs]),) * 3,
            whole_ms=(0.25 * factors[entry.costs], 2.5 * factors[entry.costs]),
            move_ms=(0.001, 0.001),
        )
        for entry in bundle.manifest.configurations
    }
    amend_bundle(made.path, lambda manifest: manifest.configurations, costs)
    return made


@pytest.fixture
def copied(deployed, tmp_path) -> Deployed:
    """A bundle that a test may change."""
    return deployed.copy(tmp_path / "copied")


@dataclass(frozen=True)
class Refreshed:
    """A bundle before and after, what was reported and replaced, and a model that was loaded before."""

    before: Deployed
    after: Deployed
    report: RefreshReport
    replacement: Replacement
    loaded: eerun.Model
    answers: eerun.Result

    @property
    def samples(self) -> np.ndarray:
        return np.load(self.before.folder / "recent.npz")["x"][:200]

    def write_to(self, deployed: Deployed, **changes: Any) -> None:
        """Write the same again, to a copy of the bundle as it was."""
        new, model = self.replacement, deployed.model
        given = {"bundle": deployed.bundle, "source": replace(new.source, path=model), "output": model}
        write_refresh(replace(new, **{**given, **changes}), self.report)


@pytest.fixture(scope="session")
def refreshed(deployed, silent, tmp_path_factory) -> Refreshed:
    """The bundle, refreshed; the first head gains enough, the second does not."""
    after = deployed.copy(tmp_path_factory.mktemp("refreshed"))
    loaded = eerun.load(after.path, engine="onnxruntime", precision="float32")
    answers = loaded.infer(np.load(after.folder / "recent.npz")["x"][:200])
    kept, seen = tmp_path_factory.mktemp("checkpoint") / "model.pt", list[Replacement]()

    def keep_and_write(new: Replacement, report: RefreshReport) -> None:
        shutil.copy(new.checkpoint, kept)
        seen.append(replace(new, checkpoint=kept))
        write_refresh(new, report)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["eecompile.refresh.refresh"], "write_refresh", keep_and_write)
        report = after.refresh(silent)
    return Refreshed(deployed, after, report, seen[0], loaded, answers)
