"""Fresh weights for convolutions that ReLU follows."""

from torch import nn

__all__ = ["he_initialise"]


def he_initialise(network: nn.Module) -> None:
    """Draw the weights of every convolution from torch's generator, normal with variance 2 / (kernel area x outputs).

    Source: He et al., Delving Deep into Rectifiers, 2015, section 2.2, the form for the backward pass. Biases, batch
    normalisation and linear layers keep torch's own start.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
