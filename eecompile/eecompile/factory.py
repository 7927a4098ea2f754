"""A network from the user's own function, named `package.module:function` on the command line."""

import inspect
from collections.abc import Callable, Mapping

from eengines.errors import IngestError
from eerun.data.factory import resolve_function

__all__ = ["call_factory", "call_with"]


def call_factory(name: str, /, **arch_kwargs: object) -> object:
    """Import `package.module:function`, call it with keyword arguments and return what it makes.

    The current directory is put in front of the import path, as `python -m` does. Code is named by the user alone,
    never by a file.

    Args:
        name: what the user gave to `--factory`.
        arch_kwargs: the `arch_kwargs` of a checkpoint.

    Raises:
        IngestError: the function is not found or does not take these arguments. What it raises itself passes through.
    """
    function = resolve_function(name, flag="--factory", error=IngestError)
    return call_with(function, arch_kwargs, where=f"--factory {name}")


def call_with(function: Callable[..., object], arch_kwargs: Mapping[str, object], *, where: str) -> object:
    """Call a function that makes a network; one that does not take the arguments is an IngestError."""
    try:
        inspect.signature(function).bind(**arch_kwargs)
    except TypeError as error:
        given = ", ".join(f"{key}={value!r}" for key, value in arch_kwargs.items()) or "nothing"
        remedy = "Let the function and the checkpoint's arch_kwargs have the same parameters"
        raise IngestError(where, f"does not take {given}: {error}", remedy) from error
    return function(**arch_kwargs)
