"""The raw samples of a network whose file says nothing of them."""

from collections.abc import Sequence

from eecompile.ingest.settings import INPUT_FIELDS, IngestSettings
from eecompile.input_info import InputInfo
from eengines.errors import IngestError

__all__ = ["described_input", "raw_inputs"]

NAME = "x"
"""The name of the only input of a network that has no names."""


def described_input(settings: IngestSettings, *, where: str) -> InputInfo:
    """Describe the only input of a file that does not even say what the network sees.

    Raises:
        IngestError: a flag is missing or does not fit.
    """
    missing = [
        flag
        for flag, value in (("--input-shape", settings.input_shape), ("--input-dtype", settings.input_dtype))
        if value is None
    ]
    if settings.input_shape is None or settings.input_dtype is None:
        problem = "does not say what its input looks like"
        raise IngestError(where, problem, f"Pass {' and '.join(missing)}, for example 3,32,32 and uint8")
    return _info(NAME, settings.input_shape, settings.input_dtype, settings)


def raw_inputs(
    network: Sequence[tuple[str, tuple[int, ...], str]], settings: IngestSettings, *, where: str
) -> tuple[InputInfo, ...]:
    """Describe the raw samples of a network whose own inputs are known.

    Args:
        network: name, shape of one sample and numpy dtype of each input, as the network sees it.
        settings: what the user says about the raw samples; without it they are what the network sees.
        where: the model file, for messages.

    Raises:
        IngestError: a setting that does not fit the network.
    """
    if len(network) != 1:
        settings.refuse(INPUT_FIELDS, where=where, why=f"the network has {len(network)} inputs")
        return tuple(InputInfo(name=name, shape=shape, dtype=dtype) for name, shape, dtype in network)
    name, shape, dtype = network[0]
    if dtype not in {"float16", "float32"}:
        settings.refuse(("scale", "mean", "std"), where=where, why=f"input '{name}' of the network is {dtype}")
    raw_shape = shape
    if settings.layout == "NHWC" and len(shape) == 3:
        channels, height, width = shape
        raw_shape = (height, width, channels)
    if settings.input_shape not in {None, raw_shape}:
        given = ",".join(map(str, settings.input_shape or ()))
        problem = f"got --input-shape {given}, the network's input '{name}' takes {','.join(map(str, raw_shape))}"
        raise IngestError(where, problem, "Leave it out, or correct --layout")
    return (_info(name, raw_shape, settings.input_dtype or dtype, settings),)


def _info(name: str, shape: tuple[int, ...], dtype: str, settings: IngestSettings) -> InputInfo:
    return InputInfo(
        name=name,
        shape=shape,
        dtype=dtype,
        layout=settings.layout,
        scale=settings.scale,
        mean=settings.mean,
        std=settings.std,
    )
