"""Convolution without bias, batch normalisation and, where wanted, ReLU."""

from torch import nn

from eecompile.heads.modules.fresh import before_relu, fresh

__all__ = ["conv_norm"]


def conv_norm(
    inputs: int, outputs: int, kernel: int, *, stride: tuple[int, int] = (1, 1), relu: bool = True
) -> nn.Sequential:
    """Map `[batch, inputs, height, width]` to `[batch, outputs, height / stride, width / stride]`, rounded up.

    Parameters: kernel² · inputs · outputs + 2 · outputs.

    Args:
        inputs: channels of the input.
        outputs: channels of the result.
        kernel: side of the kernel, odd.
        stride: by height and width.
        relu: whether a ReLU ends it.
    """
    layer = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    conv = before_relu(layer) if relu else fresh(layer)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), *([nn.ReLU()] if relu else []))
