"""The explicit table from a name in a checkpoint to a function that makes the network."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from eecompile.zoo.bert_encoder import bert_encoder
from eecompile.zoo.branchy_cnn import branchy_cnn
from eecompile.zoo.densenet import densenet121
from eecompile.zoo.dilated_fcn import dilated_fcn
from eecompile.zoo.eenet_densenet121 import densenet121_4, densenet121_growth12
from eecompile.zoo.eenet_resnet56 import resnet56_3, resnet56_bottleneck
from eecompile.zoo.folded_cnn import game_cnn, noscope_cnn
from eecompile.zoo.msdnet import msdnet_cifar, msdnet_imagenet
from eecompile.zoo.residual_cnn import residual_cnn
from eecompile.zoo.resnet import resnet18, resnet34, resnet50, resnet101, resnet152
from eecompile.zoo.vgg import vgg16_bn, vgg19_bn
from eengines.errors import IngestError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ARCHITECTURES", "lookup"]

ARCHITECTURES: "dict[str, Callable[..., nn.Module]]" = {
    "bert_encoder": bert_encoder,
    "branchy_cnn": branchy_cnn,
    "densenet121": densenet121,
    "densenet121_4": densenet121_4,
    "densenet121_growth12": densenet121_growth12,
    "dilated_fcn": dilated_fcn,
    "game_cnn": game_cnn,
    "msdnet_cifar": msdnet_cifar,
    "msdnet_imagenet": msdnet_imagenet,
    "noscope_cnn": noscope_cnn,
    "residual_cnn": residual_cnn,
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
    "resnet56_3": resnet56_3,
    "resnet56_bottleneck": resnet56_bottleneck,
    "resnet101": resnet101,
    "resnet152": resnet152,
    "vgg16_bn": vgg16_bn,
    "vgg19_bn": vgg19_bn,
}


def lookup(name: str) -> "Callable[..., nn.Module]":
    """Return the function that makes the architecture `name`.

    Raises:
        IngestError: there is no such architecture.
    """
    if name not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise IngestError(
            f"arch '{name}'", f"is not in the zoo, which has {known}", "Pass --factory package.module:function"
        )
    return ARCHITECTURES[name]
