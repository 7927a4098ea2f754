"""A keyword argument of an architecture that takes one of a few words."""

from collections.abc import Collection

from eengines.errors import IngestError

__all__ = ["check_choice"]


def check_choice(name: str, value: object, known: Collection[str]) -> None:
    """Refuse a word that is not known.

    Raises:
        IngestError: `value` is not one of `known`.
    """
    if value not in known:
        remedy = "Correct the arguments of the architecture"
        raise IngestError(f"arch_kwargs '{name}'", f"got {value!r}, expected one of {', '.join(known)}", remedy)
