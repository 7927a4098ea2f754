"""Run bundles of multi-exit networks: `eerun.load("model.ee").infer(x)`."""

from eerun.model import Model, Result, load
from eerun.scheduler import Left, SchedulerSettings, Snapshot

__all__ = ["Left", "Model", "Result", "SchedulerSettings", "Snapshot", "load"]
__version__ = "0.1.0"
