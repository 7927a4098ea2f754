"""The loop over the epochs, telling how every exit learns."""

from collections.abc import Mapping

from eecompile.train.epochs import Epochs
from eecompile.train.score import Score

__all__ = ["FoldEpochs"]


class FoldEpochs(Epochs):
    """Shows the loss, and the accuracy of every exit on *calib*, after every epoch."""

    def tell(self, means: Mapping[str, float], scores: Mapping[str, Score]) -> None:
        """Show the epoch that was finished."""
        labelled = all(one.accuracy is not None for one in scores.values())
        shares = {name: one.agreement if one.accuracy is None else one.accuracy for name, one in scores.items()}
        what = "accuracy" if labelled else "agreement"
        epoch = f"epoch {self.finished}/{self._settings.epochs}: loss {sum(means.values()):.4f}"
        self._stages.note(f"{epoch}, {what} {' '.join(f'{share:.1%}' for share in shares.values())}")
        listed = ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
        self._stages.detail(f"{epoch}, calib {what}: {listed}")
