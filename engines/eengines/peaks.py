"""What a card can do at most, by its maker: multiply in a second, and read and write in a second.

The ratio of the two is the ridge point of the roofline: a layer with fewer operations a byte waits for memory, one with
more for arithmetic. Source of the model: Williams, Waterman and Patterson, "Roofline: an insightful visual performance
model for multicore architectures", Communications of the ACM 52(4), 2009.

Figures are those of dense matrices at the boost clock; half precision of GeForce cards is with float32 sums. Of cards
that come in several forms it is the one named. What is not in the table is not known here with certainty. Sources:

    p100     NVIDIA Tesla P100 data sheet, 16 GB with NVLink
    v100     NVIDIA V100 data sheet, 16 GB with NVLink
    t4       NVIDIA T4 data sheet
    a100     NVIDIA A100 data sheet, 80 GB SXM; the card of 40 GB has 1,555 GB/s
    a10      NVIDIA A10 data sheet
    l4       NVIDIA L4 data sheet, whose half precision and INT8 are with sparsity: halved
    rtx4090  NVIDIA Ada GPU architecture whitepaper, appendix A
    h100     NVIDIA H100 data sheet, SXM, half precision and INT8 with sparsity: halved
    h200     NVIDIA H200 data sheet, SXM, halved as above
    b200     NVIDIA Blackwell data sheet, one GPU of an HGX B200, halved as above
    rtx5090  NVIDIA RTX Blackwell GPU architecture whitepaper, appendix A
"""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["PEAKS", "Peak"]


@dataclass(frozen=True, kw_only=True)
class Peak:
    """The most that a device does.

    Attributes:
        tera_ops: 10^12 additions and multiplications a second, by precision.
        gigabytes: 10^9 bytes a second between its chip and its memory.
    """

    tera_ops: Mapping[str, float]
    gigabytes: float

    def ridge(self, precision: str) -> float:
        """Operations a byte above which arithmetic is the limit.

        Raises:
            KeyError: the precision is not in `tera_ops`.
        """
        return 1000 * self.tera_ops[precision] / self.gigabytes


def _tensor(float32: float, half: float, int8: float, gigabytes: float) -> Peak:
    """A card whose tensor cores multiply both half precisions and INT8."""
    return Peak(
        tera_ops={"float32": float32, "float16": half, "bfloat16": half, "int8": int8},
        gigabytes=gigabytes,
    )


PEAKS: Mapping[str, Peak] = {
    "p100": Peak(tera_ops={"float32": 10.6, "float16": 21.2}, gigabytes=732),
    "v100": Peak(tera_ops={"float32": 15.7, "float16": 125}, gigabytes=900),
    "t4": Peak(tera_ops={"float32": 8.1, "float16": 65, "int8": 130}, gigabytes=320),
    "a100": _tensor(19.5, 312, 624, 2039),
    "a10": _tensor(31.2, 125, 250, 600),
    "l4": _tensor(30.3, 121, 242.5, 300),
    "rtx4090": _tensor(82.6, 165.2, 660.6, 1008),
    "h100": _tensor(67, 989.5, 1979, 3350),
    "h200": _tensor(67, 989.5, 1979, 4800),
    "b200": _tensor(75, 2250, 4500, 7700),
    "rtx5090": _tensor(104.8, 209.5, 838, 1792),
}
"""By the name of the target (`eengines.targets`)."""
