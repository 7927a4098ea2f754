"""Watch a share of the samples while a model answers, and fall back when early answers differ too often."""

from eerun.shadow.interval import interval
from eerun.shadow.ladder import Ladder, Rung, make_ladder
from eerun.shadow.martingale import DisagreementTest
from eerun.shadow.metrics import Metrics
from eerun.shadow.open_shadow import open_shadow
from eerun.shadow.settings import ShadowSettings
from eerun.shadow.shadow import Shadow, Turn

__all__ = [
    "DisagreementTest",
    "Ladder",
    "Metrics",
    "Rung",
    "Shadow",
    "ShadowSettings",
    "Turn",
    "interval",
    "make_ladder",
    "open_shadow",
]
