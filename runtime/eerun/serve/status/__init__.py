"""What a server is doing, for people: a page, the figures behind it as JSON, and the same in a terminal."""

from eerun.serve.status.between import Between, between
from eerun.serve.status.latency import percentile_ms
from eerun.serve.status.page import PAGE, PAGE_HEADERS
from eerun.serve.status.status import status

__all__ = ["PAGE", "PAGE_HEADERS", "Between", "between", "percentile_ms", "status"]
