"""Refresh a bundle: its heads learn from recent samples, and only the segments that change are replaced."""

from eecompile.refresh.refresh import refresh
from eecompile.refresh.report import RefreshedConfiguration, RefreshedHead, RefreshReport
from eecompile.refresh.settings import RefreshSettings

__all__ = ["RefreshReport", "RefreshSettings", "RefreshedConfiguration", "RefreshedHead", "refresh"]
