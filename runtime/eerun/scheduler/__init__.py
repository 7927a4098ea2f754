"""Continuous batching: calls of any thread share batches, and survivors are merged between segments."""

from eerun.scheduler.request import Left, OnExit, Request, Terms
from eerun.scheduler.scheduler import Scheduler
from eerun.scheduler.settings import SchedulerSettings
from eerun.scheduler.statistics import CONFIDENCE_BOUNDS, LATENCY_BOUNDS_US, Snapshot, Statistics

__all__ = [
    "CONFIDENCE_BOUNDS",
    "LATENCY_BOUNDS_US",
    "Left",
    "OnExit",
    "Request",
    "Scheduler",
    "SchedulerSettings",
    "Snapshot",
    "Statistics",
    "Terms",
]
