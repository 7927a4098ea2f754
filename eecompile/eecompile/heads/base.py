"""What a head is given, and what every kind of head must offer.

A head maps the feature of one tap to the same output as the trunk: logits `[batch, classes]`, or a map
`[batch, classes, height, width]`. A kind of head is a frozen dataclass of its options, so that a checkpoint can name it
with plain values: kind `fc`, options `{"hidden": 1024}`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar

from eengines.errors import UserError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["HeadContext", "HeadKind", "OwnHead", "SharedModules", "Tap"]

MOST = 2**31 - 1
"""Greatest value of an option; torch and ONNX take no sizes far beyond it."""


@dataclass(frozen=True, kw_only=True)
class Tap:
    """A module of the trunk whose output a head can read.

    Attributes:
        name: the module's name in the trunk, as `named_modules` gives it.
        shape: of one sample's feature, without the batch axis: `(channels, height, width)` of a map, `(tokens, width)`
            of an encoder layer, or `(features,)`.
        macs: multiply-accumulates a sample from the input up to this output.
    """

    name: str
    shape: tuple[int, ...]
    macs: int

    @property
    def is_map(self) -> bool:
        """Whether the feature is `[batch, channels, height, width]`."""
        return len(self.shape) == 3

    @property
    def is_tokens(self) -> bool:
        """Whether the feature is `[batch, tokens, width]`."""
        return len(self.shape) == 2


@dataclass(frozen=True, kw_only=True)
class OwnHead:
    """The part of the trunk that makes its answer from the last feature.

    Attributes:
        module: the trunk's own module; a head that wants it makes a deep copy, and never trains or changes this one.
        shape: of one sample of its input, without the batch axis.
    """

    module: "nn.Module"
    shape: tuple[int, ...]


class SharedModules:
    """Modules that several heads of one network use together, such as the codebook of a stage."""

    def __init__(self) -> None:
        self._modules: dict[str, nn.Module] = {}

    def get(self, key: str, make: "Callable[[], nn.Module]") -> "nn.Module":
        """Return the module of this key; the first call makes it."""
        if key not in self._modules:
            self._modules[key] = make()
        return self._modules[key]


@dataclass(frozen=True, kw_only=True)
class HeadContext:
    """Where a head is put.

    Attributes:
        tap: what it reads.
        later: all taps of the trunk behind this one (as `--at auto` finds them), in the order in which they run.
        output: shape of one sample of the trunk's answer: `(classes,)`, or `(classes, height, width)`.
        own_head: the trunk's own head, where it is known.
        shared: modules that heads of this network share.
    """

    tap: Tap
    later: tuple[Tap, ...]
    output: tuple[int, ...]
    own_head: OwnHead | None = None
    shared: SharedModules = field(default_factory=SharedModules)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.output[0]

    @property
    def is_dense(self) -> bool:
        """Whether the answer is one class for each pixel."""
        return len(self.output) == 3


@dataclass(frozen=True, kw_only=True)
class HeadKind(ABC):
    """A kind of head with its options. Subclasses add options as fields with defaults; all are whole numbers.

    Raises:
        UserError: an option that is no whole number, or too small.
    """

    name: ClassVar[str]
    """The word that `--heads` takes."""

    least: ClassVar[Mapping[str, int]] = {}
    """Least value of the options that may be less than 1."""

    def __post_init__(self) -> None:
        for option, value in self.options().items():
            least = self.least.get(option, 1)
            if type(value) is not int or not least <= value <= MOST:
                problem = f"got {option}={value!r}, expected a whole number of {least} to {MOST}"
                usual = self.__dataclass_fields__[option].default
                raise UserError(f"head '{self.name}'", problem, f"Give for example {option}={usual}")

    @abstractmethod
    def refusal(self, context: HeadContext) -> str | None:
        """Say why this head cannot be put there, with what was got and expected; None: it can."""

    @abstractmethod
    def make(self, context: HeadContext) -> "nn.Module":
        """Return a head with fresh weights, drawn from torch's generator; called only where `refusal` is None.

        It maps `[batch, *tap.shape]` to `[batch, *output]`, all float32.
        """

    def options(self) -> Mapping[str, Any]:
        """The options as plain values, as a checkpoint stores them."""
        return {name: getattr(self, name) for name in self.option_names()}

    @classmethod
    def option_names(cls) -> tuple[str, ...]:
        """Names of the options, in the order in which `--heads` takes them without names."""
        return tuple(option.name for option in fields(cls))
