"""What callers are told of a defect in this package, or of an exception that is none of ours."""

from eengines.errors import EngineError

__all__ = ["defect"]


def defect(where: str, what: str, cause: BaseException) -> EngineError:
    """Return the error of calls that a defect leaves without an answer.

    Args:
        where: the bundle, or what stands for it.
        what: what it stopped.
        cause: what was raised.
    """
    problem = f"a defect stopped {what}: {type(cause).__name__}: {cause}"
    return EngineError(where, problem, "Report it, with the traceback in the log")
