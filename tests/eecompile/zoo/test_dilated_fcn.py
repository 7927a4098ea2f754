"""The dense network: one class a pixel, at any even size."""

import pytest
import torch

from eecompile.zoo import lookup


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 48)])
def test_the_answer_has_the_size_of_the_image(height, width):
    network = lookup("dilated_fcn")(channels=[4, 4, 6, 6, 8], classes=3, in_channels=1)
    with torch.no_grad():
        assert network(torch.rand(2, 1, height, width)).shape == (2, 3, height, width)


def test_four_blocks_see_what_the_docstring_says():
    torch.manual_seed(0)
    network = lookup("dilated_fcn")(channels=[8, 8, 8, 8], classes=2, in_channels=1).eval()
    image = torch.rand(1, 1, 160, 160, requires_grad=True)
    feature = network.blocks(network.bn(network.conv(image)))
    feature[0, :, 40, 40].sum().backward()
    seen = image.grad[0, 0].abs().sum(0).nonzero().flatten()
    assert int(seen.max() - seen.min()) + 1 == 123


def test_it_learns_to_tell_bright_pixels_from_dark_ones():
    torch.manual_seed(0)
    network = lookup("dilated_fcn")(channels=[8, 8], classes=2, in_channels=1)
    images = torch.nn.functional.interpolate(torch.rand(16, 1, 4, 4), scale_factor=4.0)
    labels = (images[:, 0] > 0.5).long()
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimiser.step()
    right = (network.eval()(images).argmax(1) == labels).float().mean()
    assert right > 0.9
