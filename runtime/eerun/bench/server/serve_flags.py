"""Which flags of `eerun serve` a load test passes on: those of its own would falsify what it measures or compares."""

from collections.abc import Sequence

from eengines.errors import UserError

__all__ = ["check_serve_flags"]

FLAG = "--serve-flags"

OWN = {
    "--engine": "Give --engine to eerun bench",
    "--precision": "Give --precision to eerun bench",
    "--threads": "Give --threads to eerun bench",
    "--whole": "Leave it out: the whole network is served beside the chain",
    "--host": "Leave it out: both servers listen on 127.0.0.1, at free ports",
    "--port": "Leave it out: both servers listen at free ports",
    "--grpc-port": "Leave it out: the load comes over HTTP, and gRPC is not served",
    "--no-grpc": "Leave it out: gRPC is not served anyway",
    "--metrics-port": "Leave it out: two servers cannot share it, and /metrics is on the port of the load, too",
    "--reload-s": "Leave it out: bundles are not replaced during a load test",
}
"""Flags that the load test gives itself, or that its servers cannot have, and what to do instead."""

CHANGE_ANSWERS = (
    "--max-batch",
    "--calm-step",
    "--shadow",
    "--shadow-seed",
    "--shadow-limit",
    "--shadow-confidence",
    "--device",
    "--device-exits",
    "--trust-plans",
    "--grouping",
)
"""Flags with which a server may answer otherwise than `Model.infer` does without them."""


def check_serve_flags(words: Sequence[str], *, check: bool) -> None:
    """Refuse what would falsify the test.

    Args:
        words: of `--serve-flags`.
        check: whether answers are compared with `Model.infer`.

    Raises:
        UserError: there is such a flag.
    """
    for word in words:
        flag = word.partition("=")[0]
        if flag in OWN:
            raise UserError(FLAG, f"got {flag}, which the load test decides itself", OWN[flag])
        if check and flag in CHANGE_ANSWERS:
            problem = f"got {flag} with --check: it changes answers, and Model.infer is asked without it"
            raise UserError(FLAG, problem, "Leave one of them out")
