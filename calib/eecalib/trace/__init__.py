"""What every exit says about every sample of the data: recorded once, so that any policy can be tried on it."""

from eecalib.trace.exit_trace import ExitTrace
from eecalib.trace.map_trace import MapTrace
from eecalib.trace.play import Played, Trace, play
from eecalib.trace.record import record_trace
from eecalib.trace.recording import SPLITS, Recording, SplitRecording
from eecalib.trace.store import open_recording, write_recording

__all__ = [
    "SPLITS",
    "ExitTrace",
    "MapTrace",
    "Played",
    "Recording",
    "SplitRecording",
    "Trace",
    "open_recording",
    "play",
    "record_trace",
    "write_recording",
]
