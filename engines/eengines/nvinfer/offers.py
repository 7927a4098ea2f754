"""Look whether a library, one of its enums or one of its objects has what a class of `api_of_some.py` lists."""

from types import ModuleType
from typing import TypeVar, cast

__all__ = ["members", "offers"]

Kind = TypeVar("Kind")


def members(kind: type) -> tuple[str, ...]:
    """Names of the attributes and methods that a class of `api.py` or its neighbours lists, inherited ones too."""
    names: dict[str, None] = {}
    for parent in reversed(kind.__mro__):
        if parent.__module__.startswith(str(__package__)):
            declared = (*vars(parent).get("__annotations__", ()), *vars(parent))
            names.update(dict.fromkeys(name for name in declared if not name.startswith("_")))
    return tuple(names)


def offers(found: object, kind: type[Kind]) -> Kind | None:
    """Return `found` as a `kind` if it has all its members, else None.

    Args:
        found: the module, an enum, or an object of the library. Of an object the class is looked at: asking for a
            property would run code of the library.
        kind: a class of `api_of_some.py`.
    """
    owner = found if isinstance(found, type | ModuleType) else type(found)
    return cast("Kind", found) if all(hasattr(owner, name) for name in members(kind)) else None
