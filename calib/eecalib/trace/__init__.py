"""What every exit says about every sample of the data: recorded once, so that any policy can be tried on it."""

from eecalib.trace.exit_trace import ExitTrace
from eecalib.trace.play import Played, play

__all__ = ["ExitTrace", "Played", "play"]
