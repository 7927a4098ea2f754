"""The mean over the map, then one linear layer."""

from torch import nn

from eecompile.heads.modules.fresh import fresh

__all__ = ["global_linear"]


def global_linear(channels: int, classes: int) -> nn.Sequential:
    """Map `[batch, channels, height, width]` to `[batch, classes]`. Parameters: channels · classes + classes."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), fresh(nn.Linear(channels, classes)))
