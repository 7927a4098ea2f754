"""Where plans are kept unless somebody says otherwise."""

import os
from pathlib import Path

from eengines.errors import UserError

__all__ = ["default_cache_folder"]

VARIABLE = "EECOMPILE_CACHE"


def default_cache_folder() -> Path:
    """Return `$EECOMPILE_CACHE`, or `eecompile/engines` in the user's cache folder (XDG base directories).

    Raises:
        UserError: neither is set, and the user has no home.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():  # the specification has relative paths ignored
        try:
            base = Path.home() / ".cache"
        except RuntimeError as error:
            raise UserError(VARIABLE, "it is not set, and this user has no home", "Set it to a folder") from error
    return base / "eecompile" / "engines"
