"""The networks that benchmarks measure: the digits example, and CIFAR-10 networks where they are at hand.

The CIFAR-10 networks and images lie in a folder `shared` beside the checkout; without it only the example is measured.
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

__all__ = ["NETWORKS", "Network", "available", "digits_backbone"]

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
DIGITS = ROOT / "examples" / "digits"
MADE = ("backbone.pt", "model.npz", "model.pt")
ATTACH = (
    *("attach", "backbone.pt", "--data", "model.npz", "--at", "blocks.0,blocks.1,blocks.2,blocks.3"),
    *("--heads", "fc(32),pool(128,32),conv(8,4)", "-o", "model.pt"),
)
"""What the example's README shows."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """A trained multi-exit network and its data.

    Attributes:
        name: as in file names of results.
        model: the checkpoint.
        factory: `module:function`, or None for a network of the zoo.
    """

    name: str
    model: Path
    factory: str | None

    def data(self, folder: Path) -> Path:
        """Put the data into `folder` (CIFAR-10 is unpacked) and return the file."""
        file = folder / ("digits.npz" if self.factory is None else "cifar10.npz")
        if self.factory is None:
            shutil.copy(self.model.with_suffix(".npz"), file)
        elif not file.exists():
            subprocess.run([sys.executable, str(SHARED / "tools" / "cifar10.py"), str(file)], check=True)
        return file


NETWORKS = {
    "digits": Network(name="digits", model=DIGITS / "model.pt", factory=None),
    "resnet56_3": Network(
        name="resnet56_3", model=SHARED / "models" / "resnet56_3_cifar10.pt", factory="resnet56_3:make"
    ),
    "resnet18_8": Network(
        name="resnet18_8", model=SHARED / "models" / "resnet18_8_cifar10.pt", factory="resnet18_8:make"
    ),
}


def available() -> list[str]:
    """Names of the networks that can be measured here; the example is trained and gets its exits if need be."""
    digits_backbone()
    if SHARED.is_dir():
        sys.path.insert(0, str(SHARED / "models"))
    return [name for name, network in NETWORKS.items() if network.model.exists()]


def digits_backbone() -> Path:
    """The example's plain network; where it or what is made of it is missing, all of it is made anew.

    That happens in a folder of its own, so that processes that do it at the same time find whole files only.
    """
    if not all((DIGITS / name).exists() for name in MADE):
        with tempfile.TemporaryDirectory(dir=DIGITS, prefix=".making-") as folder:
            shutil.copy(DIGITS / "train.py", folder)
            subprocess.run([sys.executable, "train.py"], cwd=folder, check=True)
            program = "from eecompile.cli.main import main; main()"
            subprocess.run([sys.executable, "-c", program, *ATTACH], cwd=folder, check=True)
            for name in MADE:
                (Path(folder) / name).replace(DIGITS / name)
    return DIGITS / MADE[0]
