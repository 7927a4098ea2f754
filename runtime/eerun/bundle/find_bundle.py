"""Which bundle of a folder is meant, and where the one of the same network unfolded lies."""

from pathlib import Path

from eengines.errors import UserError
from eerun.bundle.manifest import MANIFEST_NAME

__all__ = ["find_bundle", "unfolded_place"]


def find_bundle(folder: Path) -> Path:
    """Return the only bundle in a folder; `NAME-unfolded.ee` beside `NAME.ee` belongs to that one.

    Raises:
        UserError: there is none, or there are several.
    """
    found = sorted(p for p in folder.glob("*.ee") if (p / MANIFEST_NAME).is_file())
    beside = {unfolded_place(p) for p in found}
    chosen = [p for p in found if p not in beside]
    if len(chosen) == 1:
        return chosen[0]
    if not chosen:
        raise UserError(
            str(folder.resolve()), "no bundle (a folder *.ee) in it", "Run `eecompile build MODEL`, or give --bundle"
        )
    names = ", ".join(p.name for p in found)
    raise UserError(str(folder.resolve()), f"several bundles in it: {names}", "Choose one with --bundle")


def unfolded_place(bundle: Path) -> Path:
    """Return where the bundle of the same network unfolded is looked for: `NAME-unfolded.ee` beside `NAME.ee`."""
    return bundle.with_name(f"{bundle.stem}-unfolded{bundle.suffix}")
