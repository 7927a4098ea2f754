"""Compare one configuration with its own whole network, and with float32."""

from collections.abc import Sequence
from dataclasses import dataclass

from eecompile.verify.logits import Logits
from eecompile.verify.tolerance import ALLOWED_ERROR, logit_error
from eengines.errors import BundleError

__all__ = ["Check", "check"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was found of one configuration, all within the bounds. Errors are `logit_error`.

    Attributes:
        name: engine or device, and precision.
        precision: of its graphs.
        whole_error: of the chain's final logits against its own whole network.
        exit_errors: of each exit's logits against the same exit in float32.
        allowed_error: what each of these may be.
        agreement: share of the samples, of maps of their pixels, that the final exit answers as in float32.
        least_agreement: what that must be; None where the build promised nothing for such samples.
    """

    name: str
    precision: str
    whole_error: float
    exit_errors: tuple[float, ...]
    allowed_error: float
    agreement: float
    least_agreement: float | None


def check(
    names: tuple[str, str],
    got: Logits,
    float32: Logits,
    *,
    exits: Sequence[str],
    where: str,
    least_agreement: float | None,
) -> Check:
    """Compare logits.

    Args:
        names: of the configuration, and its precision.
        got: what it answers.
        float32: what the float32 chain answers.
        exits: names of the exits.
        where: the bundle.
        least_agreement: share of final answers that must be those of float32; None: any.

    Raises:
        BundleError: a difference is larger than allowed.
    """
    name, precision = names
    found = Check(
        name=name,
        precision=precision,
        whole_error=logit_error(got.chain[:, -1], got.whole, precision),
        exit_errors=tuple(
            logit_error(got.chain[:, index], float32.chain[:, index], precision) for index in range(len(exits))
        ),
        allowed_error=ALLOWED_ERROR[precision],
        agreement=float((got.chain[:, -1].argmax(1) == float32.chain[:, -1].argmax(1)).mean()),
        least_agreement=least_agreement,
    )
    _refuse(found, exits, where)
    return found


def _refuse(found: Check, exits: Sequence[str], where: str) -> None:
    """Raise for the first bound that is broken."""
    compared = [("the chain's logits", "the whole network's", found.whole_error)]
    compared += [
        (f"the logits of exit {name!r}", "float32's", error)
        for name, error in zip(exits, found.exit_errors, strict=True)
    ]
    unit = "their spread" if found.precision == "float32" else "their standard deviation (root mean square)"
    for subject, other, error in compared:
        if not error <= found.allowed_error:
            raise BundleError(
                f"{where}, {found.name}",
                f"{subject} differ from {other} by {error:.2g} of {unit}, expected at most {found.allowed_error:.2g}",
                "Build the bundle again",
            )
    if found.least_agreement is not None and found.agreement < found.least_agreement:
        raise BundleError(
            f"{where}, {found.name}",
            f"the final exit gives {found.agreement:.2%} of its answers as in float32, "
            f"expected at least {found.least_agreement:.2%}",
            "Build again, with a smaller --max-quant-drop or with data like those that it will run on",
        )
