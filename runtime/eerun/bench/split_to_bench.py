"""The samples of a bench run: the test split, cut as the build cut it."""

from dataclasses import dataclass

from eengines.errors import DataError
from eerun.bundle import Bundle
from eerun.data import DataSet, Samples, default_data_path, digest, load_data, make_splits
from eerun.inputs import check_inputs

__all__ = ["SplitToBench", "load_test_split"]


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitToBench:
    """Samples that no weight and no threshold has seen, as far as that can be told.

    Attributes:
        samples: the samples.
        source: where they come from.
        sha256: their digest.
        of_build: whether they are the test split of the build; None: the build had no data.
        warnings: why accuracy on them may be wrong.
    """

    samples: Samples
    source: str
    sha256: str
    of_build: bool | None
    warnings: tuple[str, ...]


def load_test_split(bundle: Bundle, source: str | None) -> SplitToBench:
    """Load the data, take the test split, and compare it to that of the build.

    Args:
        bundle: the bundle.
        source: what `--data` was given; None: the `.npz` of the bundle's name beside it.

    Raises:
        DataError: there are no data, or no test split in them.
        InputError: the samples do not fit the bundle's inputs.
    """
    manifest = bundle.manifest
    path = source or default_data_path(bundle.path)
    if path is None:
        beside = bundle.path.with_suffix(".npz").name
        raise DataError(
            str(bundle.path), f"no data: --data is not given and there is no {beside} beside it", "Give --data"
        )
    data = load_data(path, input_names=[entry.name for entry in manifest.inputs])
    samples = make_splits(data, seed=manifest.split_seed)["test"]
    check_inputs(samples.inputs, manifest.inputs)
    sha256 = digest(samples)
    built_on = manifest.splits.get("test")
    of_build = None if built_on is None else built_on.sha256 == sha256
    return SplitToBench(
        samples=samples,
        source=data.source,
        sha256=sha256,
        of_build=of_build,
        warnings=() if of_build else (_why_not_of_build(bundle, data, of_build),),
    )


def _why_not_of_build(bundle: Bundle, data: DataSet, of_build: bool | None) -> str:
    """Say what is known about samples that are not the build's test split."""
    if of_build is None:
        return "The bundle was built without data: nobody knows what its thresholds were tuned on."
    tuned_on = bundle.manifest.splits.get("tune")
    if tuned_on and any(digest(samples) == tuned_on.sha256 for samples in data.splits.values()):
        return "These data contain the split that the thresholds were tuned on: accuracy is too good here."
    return (
        "The test split is not that of the build: these samples may have served for tuning the thresholds, "
        "and accuracy may then be too good here."
    )
