"""Train a folded network: the unfolded one is its teacher.

Images of the *train* split are put into rows of f at random, anew in every epoch, so that an image meets other images
and stands in other places. Every exit learns the logits of the teacher's exit of the same number, and the labels where
there are some. The teacher is frozen, in evaluation mode.

A folded network that starts from random weights must first learn to keep f images apart, which takes most of a long
training. Here it starts with the images apart: the channels of every layer are shared out among the images of a row,
weights between channels of different images are zero, and all images have the same weights, see `SeparateImages`. It
stays so for a share of the epochs; then all weights learn.

After every epoch the network is measured on *calib*, in rows of random partners; the weights of the best epoch are
kept. *tune*, *certify* and *test* are never looked at.

Torch is imported when `folded_checkpoint` is asked for.
"""

from typing import TYPE_CHECKING, Any

from eecompile.fold_training.settings import FoldTrainSettings

if TYPE_CHECKING:
    from eecompile.fold_training.folded_cache import folded_checkpoint

__all__ = ["FoldTrainSettings", "folded_checkpoint"]


def __getattr__(name: str) -> Any:
    if name == "folded_checkpoint":
        from eecompile.fold_training.folded_cache import folded_checkpoint

        return folded_checkpoint
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
