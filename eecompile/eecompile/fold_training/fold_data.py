"""The samples that a folded network is trained on, and those by which its best epoch is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eecompile.fold_training.settings import FoldTrainSettings
from eecompile.input_info import InputInfo
from eengines.errors import DataError, UserError
from eerun.bundle import InputEntry
from eerun.data import Samples, default_data_path, load_data, make_splits
from eerun.inputs import check_inputs

__all__ = ["FoldData", "fold_data"]


@dataclass(frozen=True, kw_only=True, eq=False)
class FoldData:
    """Raw samples.

    Attributes:
        source: where they come from.
        train: what weights are made from, less what *calib* is cut from it, as a build does.
        calib: what the best epoch is chosen by.
        cut_from_train: whether *calib* was cut from what the source has as *train*, which the network before folding
            may have learned.
    """

    source: str
    train: Samples
    calib: Samples
    cut_from_train: bool


def fold_data(model: Path, settings: FoldTrainSettings, inputs: Sequence[InputInfo]) -> FoldData:
    """Load the splits *train* and *calib*, and no other.

    Args:
        model: without `settings.data` the `.npz` of its name beside it is taken.
        settings: data, fold factor, and the seed of the splits.
        inputs: what raw samples look like.

    Raises:
        UserError: there are no data.
        DataError: they have no *train* split, or too few samples.
        InputError: samples of another shape or dtype.
    """
    source = settings.data or default_data_path(model)
    if source is None:
        beside = model.with_suffix(".npz").name
        problem = f"no data to train the folded network with: --data is not given and there is no {beside} beside it"
        raise UserError(str(model), problem, _how_to(model, settings))
    data = load_data(source, input_names=[info.name for info in inputs])
    if "train" not in data.splits:
        problem = f"has no split 'train' to train the folded network with: got {', '.join(data.splits)}"
        raise DataError(str(source), problem, _how_to(model, settings))
    splits = make_splits(data, seed=settings.seed)
    entries = [InputEntry(name=i.name, dtype=i.dtype, shape=tuple(i.shape), range=i.range) for i in inputs]
    train, calib = (_checked(splits[name], entries) for name in ("train", "calib"))
    if len(train) < 2 * settings.factor:
        problem = f"split 'train' has {len(train)} samples, expected {2 * settings.factor} or more: two rows"
        raise DataError(str(source), problem, "Give more samples to train on")
    return FoldData(source=str(source), train=train, calib=calib, cut_from_train="calib" not in data.splits)


def _checked(samples: Samples, entries: Sequence[InputEntry]) -> Samples:
    return replace(samples, inputs=check_inputs(samples.inputs, entries))


def _how_to(model: Path, settings: FoldTrainSettings) -> str:
    return (
        "Put the images that trained the network into a .npz as x_train (y_train where there are labels), beside "
        f"x_test, and run: eecompile fold {model} --fold {settings.factor} --data FILE.npz"
    )
