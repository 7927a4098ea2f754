"""The networks that benchmarks measure: the digits example, and CIFAR-10 networks where they are at hand.

The CIFAR-10 networks and images lie in a folder `shared` beside the checkout; without it only the example is measured.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["NETWORKS", "Network", "available"]

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
DIGITS = ROOT / "examples" / "digits"


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
    """Names of the networks that can be measured here; the example is trained if need be."""
    if not NETWORKS["digits"].model.exists():
        subprocess.run([sys.executable, "train.py"], cwd=DIGITS, check=True)
    if SHARED.is_dir():
        sys.path.insert(0, str(SHARED / "models"))
    return [name for name, network in NETWORKS.items() if network.model.exists()]
