"""Open a chain with the grouping that the caller asks for."""

from eengines.errors import BundleError, UserError
from eerun.bundle import Bundle
from eerun.configuration import Configuration
from eerun.executor import Executor, GroupedExecutor
from eerun.folding import Easiness, Grouping

__all__ = ["easiness_for", "open_grouped", "parse_grouping", "regrouped", "weakness_of"]


def parse_grouping(text: str) -> Grouping:
    """Return the grouping of that name.

    Raises:
        UserError: there is none.
    """
    if text not in list(Grouping):
        raise UserError("grouping", f"got {text!r}, known are {', '.join(Grouping)}", "Choose one of these")
    return Grouping(text)


def easiness_for(bundle: Bundle, grouping: Grouping) -> Easiness | None:
    """Return what predicts easiness where the grouping needs it; None: it does not.

    Raises:
        UserError: likely-easy images shall be put together, but the network is not folded, or nothing predicts them.
        BundleError: the file is damaged, or was fitted to other inputs.
    """
    if grouping is Grouping.ARRIVAL:
        return None
    where = str(bundle.path)
    if bundle.manifest.fold is None:
        problem = f"grouping {grouping.value!r} is for folded networks; here every sample has a row of its own"
        raise UserError(where, problem, "Leave grouping out")
    found = bundle.easiness()
    if found is None:
        problem = "nothing in it predicts which images are easy"
        raise UserError(where, problem, f"Run `eecompile tune {bundle.path.name}`, which fits that to the tune split")
    shapes = {entry.name: entry.shape for entry in bundle.manifest.inputs}
    if not found.fits(shapes):
        problem = f"what predicts easy images was fitted to other inputs than {shapes}"
        raise BundleError(where, problem, f"Run `eecompile tune {bundle.path.name}`")
    return found


def weakness_of(bundle: Bundle, grouping: Grouping) -> str | None:
    """Return why a grouping brings little; None: nothing is known of that. It raises what `easiness_for` does."""
    easiness = easiness_for(bundle, grouping)
    return None if easiness is None else easiness.weakness


def open_grouped(way: Configuration, grouping: Grouping, *, threads: int | None) -> Executor:
    """Make a chain ready to run; see `Configuration.open_chain` and `easiness_for`."""
    easiness = easiness_for(way.bundle, grouping)
    executor = way.open_chain(threads=threads)
    return executor if easiness is None else GroupedExecutor(executor, easiness)


def regrouped(executor: Executor, bundle: Bundle) -> tuple[Executor, Grouping] | None:
    """Return the same chain with the other grouping, on the same engines and buffers.

    Args:
        executor: what `open_grouped` returned.
        bundle: the bundle that it runs.

    Returns:
        None: the network is not folded, or nothing predicts easiness.

    Raises:
        BundleError: the file that predicts it is damaged, or was fitted to other inputs.
    """
    if isinstance(executor, GroupedExecutor):
        return executor.within, Grouping.ARRIVAL
    if bundle.manifest.easiness is None:
        return None
    easiness = easiness_for(bundle, Grouping.EASY)
    return None if easiness is None else (GroupedExecutor(executor, easiness), Grouping.EASY)
