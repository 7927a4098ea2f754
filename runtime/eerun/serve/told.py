"""What clients are told of an error: the model's name, where the log has its folder."""

from copy import copy

from eengines.errors import EEError
from eerun.serve.repository import Served

__all__ = ["told", "without_folder"]


def told(error: EEError, served: Served) -> EEError:
    """Return the error as the client may see it: it says nothing of where the server keeps its files."""
    found = copy(error)
    found.where = f"model {served.name!r}" if error.where == str(served.path) else without_folder(error.where, served)
    found.problem, found.remedy = without_folder(error.problem, served), without_folder(error.remedy, served)
    return found


def without_folder(text: str, served: Served) -> str:
    """Return a text with the model's name in place of its folder."""
    inside = f"{served.path}/"
    if text.startswith(inside):
        return f"model {served.name!r}, {text.removeprefix(inside)}"
    for folder in (str(served.path.absolute()), str(served.path.resolve())):
        text = text.replace(f"{folder}/", f"model {served.name!r}, ").replace(folder, f"model {served.name!r}")
    return text
