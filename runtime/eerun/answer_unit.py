"""What a network gives one answer for, which its accuracy and agreement are shares of."""

__all__ = ["accuracy_words", "answer_unit"]


def answer_unit(task: str) -> str:
    """Return `pixel` for segmentation, else `sample`."""
    return "pixel" if task == "segmentation" else "sample"


def accuracy_words(task: str) -> str:
    """Return `accuracy`, or `pixel accuracy`."""
    return "pixel accuracy" if task == "segmentation" else "accuracy"
