"""Parameters of requests and answers, as messages and as plain values."""

from collections.abc import Mapping
from typing import Any

from eerun.serve.errors import RequestError
from eerun.serve.oip.requests import Parameter

__all__ = ["parameters_of", "write_parameters"]

CHOICE = "parameter_choice"


def parameters_of(given: Mapping[str, Any]) -> dict[str, Parameter]:
    """Return the values of a map of `InferParameter`.

    Raises:
        RequestError: one has no value.
    """
    found: dict[str, Parameter] = {}
    for name, parameter in given.items():
        kind = parameter.WhichOneof(CHOICE)
        if kind is None:
            raise RequestError(f"parameter {name[:64]!r}", "it has no value", "Set one of its fields, or leave it out")
        found[name] = getattr(parameter, kind)
    return found


def write_parameters(values: Mapping[str, Parameter], target: Any) -> None:
    """Write values into a map of `InferParameter`."""
    for name, value in values.items():
        parameter = target[name]
        if isinstance(value, bool):
            parameter.bool_param = value
        elif isinstance(value, int):
            parameter.int64_param = value
        elif isinstance(value, float):
            parameter.double_param = value
        else:
            parameter.string_param = value
