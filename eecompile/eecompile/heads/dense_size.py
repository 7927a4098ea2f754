"""Which maps can be enlarged to a dense answer: by a whole factor, so that the graph holds no computed sizes."""

__all__ = ["output_refusal"]


def output_refusal(shape: tuple[int, ...], output: tuple[int, ...]) -> str | None:
    """Why a map `(channels, height, width)` cannot be enlarged to the height and width of `output`, or None."""
    if output[1] % shape[1] == 0 and output[2] % shape[2] == 0:
        return None
    return f"a map of {shape[1]}x{shape[2]} cannot become {output[1]}x{output[2]}, expected a whole factor"
