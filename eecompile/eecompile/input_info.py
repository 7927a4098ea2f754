"""What a raw sample of one network input looks like, and how the network wants it."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from eengines.errors import IngestError

__all__ = ["NO_SEQUENCES", "InputInfo", "Sequenced", "sequences_of"]

DTYPES = ("bool", "uint8", "int8", "uint16", "int16", "int32", "int64", "float16", "float32")
LAYOUTS = ("NCHW", "NHWC")

SHORTEST_SEQUENCE = 2
"""Of the greatest length: what follows the length is seen by comparing two lengths."""


class Sequenced(NamedTuple):
    """A sequence axis: which one of an array `[samples, ...]`, and the greatest length."""

    axis: int
    greatest: int


NO_SEQUENCES: Mapping[str, Sequenced] = MappingProxyType({})
"""For a network whose inputs have fixed shapes."""


@dataclass(frozen=True, kw_only=True)
class InputInfo:
    """A raw sample, as the user has it. The network sees `(raw * scale - mean) / std`, None being the identity.

    Attributes:
        name: the input's name in the network.
        shape: of one raw sample, without the batch axis.
        dtype: numpy's name of the raw element type, such as `uint8`.
        layout: order of the raw axes, `NCHW` or `NHWC`; the network of an `NHWC` input is given `[batch, channels,
            height, width]`. None: the network is given the raw axes.
        scale: factor on the raw values.
        mean: one value, or one for each channel, in units of the scaled values.
        std: as `mean`.
        range: least and greatest raw value that is allowed, both included, or None where any is.
        sequence: which axis of `shape` is a dynamic sequence length; the number in `shape` is the greatest. All inputs
            of a network that have such an axis share one length. None: the shape is fixed.
        pad: the raw value behind the end of a sample that is shorter.

    Raises:
        IngestError: a field that does not fit the others.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    layout: str | None = None
    scale: float | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    range: tuple[float, float] | None = None
    sequence: int | None = None
    pad: float = 0

    def __post_init__(self) -> None:
        where = f"input '{self.name}'"
        if not self.name:
            raise IngestError("input", "has an empty name", "Name it as in the network")
        if any(size < 1 for size in self.shape):
            raise IngestError(where, f"has shape {list(self.shape)}, expected sizes of 1 or more", "Correct the shape")
        if self.dtype not in DTYPES:
            raise IngestError(where, f"has dtype '{self.dtype}', expected one of {', '.join(DTYPES)}", "Convert it")
        if self.layout is not None and (self.layout not in LAYOUTS or len(self.shape) != 3):
            problem = f"has layout {self.layout} and shape {list(self.shape)}, expected NCHW or NHWC with three sizes"
            raise IngestError(where, problem, "Leave the layout out where samples are not images")
        for field, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and len(values) not in {1, self.channels}:
                problem = f"has {len(values)} values of {field}, expected 1 or {self.channels}"
                raise IngestError(where, problem, "Give one number, or one a channel")
        constants = (self.scale or 0.0, *(self.mean or ()), *(self.std or ()))
        if self.scale == 0 or min(self.std or (1,)) <= 0 or not np.isfinite(constants).all():
            problem = f"has scale {self.scale}, mean {self.mean} and std {self.std}"
            raise IngestError(where, problem, "Make them finite, scale not zero, std positive")
        if self.range is not None and not self.range[0] < self.range[1]:
            raise IngestError(where, f"has range {list(self.range)}, expected [low, high]", "Correct it")
        self._check_sequence(where)

    def _check_sequence(self, where: str) -> None:
        """The sequence axis is one of the shape, of two positions or more, and the pad value is allowed."""
        if self.sequence is None:
            return
        if not 0 <= self.sequence < len(self.shape) or self.shape[self.sequence] < SHORTEST_SEQUENCE:
            problem = f"has sequence {self.sequence} and shape {list(self.shape)}"
            remedy = "Name an axis of the shape, with the greatest length there"
            raise IngestError(where, f"{problem}, expected an axis of {SHORTEST_SEQUENCE} or more", remedy)
        if self.layout is not None or max(len(self.mean or ()), len(self.std or ())) > 1:
            problem = "has a sequence axis together with a layout or values for each channel"
            raise IngestError(where, problem, "Leave these out: they are for images")
        low, high = self.range or (-np.inf, np.inf)
        if not low <= self.pad <= high or np.asarray(self.pad).astype(self.dtype) != self.pad:
            problem = f"has pad {self.pad}, which is not a value of {self.dtype} within range {self.range}"
            raise IngestError(where, problem, "Give the value that samples are padded with")

    @property
    def channels(self) -> int:
        """How many values `mean` and `std` may have: the size of the axis that is the network's axis 1."""
        if not self.shape:
            return 1
        return self.shape[-1 if self.layout == "NHWC" else 0]

    @property
    def normalised(self) -> bool:
        """Whether the network sees something else than the raw values."""
        return (self.scale, self.mean, self.std) != (None, None, None)

    @property
    def network_shape(self) -> tuple[int, ...]:
        """Shape of one sample as the network sees it."""
        if self.layout != "NHWC":
            return self.shape
        height, width, channels = self.shape
        return (channels, height, width)

    def shape_at(self, length: int) -> tuple[int, ...]:
        """Shape of one raw sample at a sequence length."""
        return tuple(length if axis == self.sequence else size for axis, size in enumerate(self.shape))

    def network_shape_at(self, length: int) -> tuple[int, ...]:
        """Shape of one sample as the network sees it, at a sequence length."""
        return self.network_shape if self.sequence is None else self.shape_at(length)

    @property
    def network_dtype(self) -> str:
        """What a torch module is given: float32, or raw int32, int64 (indices) or bool (masks) without arithmetic."""
        return self.dtype if self.dtype in {"bool", "int32", "int64"} and not self.normalised else "float32"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, as a checkpoint stores them."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, fields: Mapping[str, object], *, where: str, default_name: str | None) -> "InputInfo":
        """Read the fields of a checkpoint's `input`.

        Args:
            fields: `shape` and `dtype` are needed; `mean` and `std` may be one number.
            where: the file, for messages.
            default_name: the name where `fields` has none, or None where the name is needed.

        Raises:
            IngestError: a field that is missing, unknown or of a wrong type.
        """
        known = ("name", "shape", "dtype", "layout", "scale", "mean", "std", "range", "sequence", "pad")
        unknown = [str(key) for key in fields if key not in known]
        if unknown:
            raise IngestError(
                where, f"input has the unknown field '{unknown[0]}'", f"The fields are {', '.join(known)}"
            )
        name = fields.get("name", default_name)
        dtype, layout = fields.get("dtype"), fields.get("layout")
        if not isinstance(name, str) or not isinstance(dtype, str) or not (layout is None or isinstance(layout, str)):
            got = f"name {name!r}, dtype {dtype!r}, layout {layout!r}"
            raise IngestError(where, f"input has {got}, expected strings", "Name the input, its dtype and its layout")
        shape = fields.get("shape")
        if not isinstance(shape, list | tuple) or not all(type(size) is int for size in shape):
            raise IngestError(where, f"input '{name}' has shape {shape!r}, expected a list of integers", "Correct it")
        place = f"{where}: input '{name}'"
        sequence, pad = fields.get("sequence"), _numbers(fields.get("pad", 0), f"{place}: pad", count=1)
        if not (sequence is None or type(sequence) is int):
            raise IngestError(f"{place}: sequence", f"is {sequence!r}, expected an axis or null", "Correct it")
        scale = _numbers(fields.get("scale"), f"{place}: scale", count=1)
        bounds = _numbers(fields.get("range"), f"{place}: range", count=2)
        return cls(
            name=name,
            shape=tuple(shape),
            dtype=dtype,
            layout=layout,
            scale=None if scale is None else scale[0],
            mean=_numbers(fields.get("mean"), f"{place}: mean", count=None),
            std=_numbers(fields.get("std"), f"{place}: std", count=None),
            range=None if bounds is None else (bounds[0], bounds[1]),
            sequence=sequence,
            pad=0 if pad is None else pad[0],
        )


def sequences_of(infos: Iterable[InputInfo]) -> dict[str, Sequenced]:
    """Return the inputs with a sequence axis, by name."""
    return {
        info.name: Sequenced(info.sequence + 1, info.shape[info.sequence])
        for info in infos
        if info.sequence is not None
    }


def _numbers(value: object, where: str, *, count: int | None) -> tuple[float, ...] | None:
    if value is None:
        return None
    values = value if isinstance(value, list | tuple) else [value]
    numbers = [number for number in values if isinstance(number, int | float) and not isinstance(number, bool)]
    if not numbers or len(numbers) < len(values) or count not in {None, len(numbers)}:
        expected = "numbers" if count is None else f"{count} number{'s' * (count > 1)}"
        raise IngestError(where, f"is {value!r}, expected {expected} or null", "Correct it")
    return tuple(float(number) for number in numbers)
