"""Everything that a user can choose when heads are attached. The flags of `eecompile attach` mirror these fields."""

from dataclasses import dataclass, field
from pathlib import Path

from eecompile.ingest.settings import INPUT_FIELDS, IngestSettings
from eecompile.train.settings import TrainSettings
from eengines.errors import UserError

__all__ = ["AttachSettings"]


@dataclass(frozen=True, kw_only=True)
class AttachSettings:
    """Settings of one run of `eecompile attach`.

    Attributes:
        output: the checkpoint to write.
        at: names of modules to tap; None: those that are found, see `automatic_taps`.
        heads: kinds of heads with their options, as `parse_heads` reads them; each is put on every tap that it fits.
        data: `.npz` file, image folder or `package.module:function` with a *train* split; None: the `.npz` of the
            backbone's name beside it.
        factory: `package.module:function` that makes the trunk.
        arch: name of the trunk in the zoo, for a file of weights alone.
        arch_kwargs: keyword arguments of `factory` or `arch`, for a file of weights alone or a zoo network.
        weights: file of weights for a zoo network.
        trust: load a pickled module, which can run code.
        input_shape: shape of a raw sample, for other backbones than checkpoints.
        input_dtype: dtype of a raw sample, as above.
        layout: `NCHW` or `NHWC`: how raw samples are stored, as above.
        scale: factor on raw samples, as above.
        mean: subtracted after scaling, one number or one a channel.
        std: divisor after that, one number or one a channel.
        own_head: name of the module that makes the trunk's answer, for heads that copy it; None: found.
        head_tolerance: by how much less than the best head of a tap, in share of samples with the trunk's answer, a
            cheaper one may agree to be its exit.
        prune: leave out heads that are no exits.
        resume: go on with a training that was interrupted.
        train: how heads are trained.

    Raises:
        UserError: a field that does not fit.
    """

    output: Path | None = None
    at: tuple[str, ...] | None = None
    heads: str | None = None
    data: str | None = None
    factory: str | None = None
    arch: str | None = None
    arch_kwargs: dict[str, object] = field(default_factory=dict)
    weights: Path | None = None
    trust: bool = False
    input_shape: tuple[int, ...] | None = None
    input_dtype: str | None = None
    layout: str | None = None
    scale: float | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    own_head: str | None = None
    head_tolerance: float = 0.005
    prune: bool = False
    resume: bool = False
    train: TrainSettings = field(default_factory=TrainSettings)

    def __post_init__(self) -> None:
        if not 0 <= self.head_tolerance <= 1:
            got = f"got {self.head_tolerance:.3g}, expected 0% to 100%"
            raise UserError("--head-tolerance", got, "Give for example 0.5%")
        if self.arch is not None and self.factory is not None:
            raise UserError("--arch", f"got it together with --factory {self.factory}", "Give one of the two")

    @property
    def ingest(self) -> IngestSettings:
        """What they say about the file and the raw samples."""
        names = ("factory", "trust", *INPUT_FIELDS)
        return IngestSettings(**{name: getattr(self, name) for name in names})
