"""A race on a device as text."""

from benchmarks.gpu_race import RaceResult

__all__ = ["show"]


def show(title: str, result: RaceResult) -> None:
    """Print times, ratios and boundaries."""
    print(
        f"{title}, batch {result.batch}: " + ", ".join(f"{name} {ms:.3f} ms" for name, ms in result.median_ms.items())
    )
    for name, ratio in result.ratios.items():
        value = ratio.median
        print(
            f"  {name:42} {value.value:.3f} [{value.low:.3f}, {value.high:.3f}], quartiles {ratio.first_quartile:.3f} "
            f"to {ratio.third_quartile:.3f}, {ratio.pairs} pairs"
        )
    for step in (*result.profile.steps, *result.exits_off.steps):
        boundary = "end" if step.boundary_us is None else f"boundary {step.boundary_us:.1f} us (host)"
        print(
            f"  {step.rows} rows, {step.survivors} go on: segment {step.segment_ms:.4f} ms, decision "
            f"{step.decision_us:.1f} us, compaction {step.compaction_us:.1f} us, {boundary}"
        )
    device = result.device_boundary_us
    print(f"  boundary (device): {result.no_device_exits if device is None else f'{device:.1f} us'}")
