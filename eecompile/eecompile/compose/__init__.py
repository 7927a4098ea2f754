"""Choose which trained head becomes the exit of which tap, by measured time."""

from eecompile.compose.compose import compose_heads
from eecompile.compose.report import ComposeReport
from eecompile.compose.settings import ComposeSettings

__all__ = ["ComposeReport", "ComposeSettings", "compose_heads"]
