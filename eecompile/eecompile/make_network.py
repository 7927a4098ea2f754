"""Make a network from code that the zoo or the user gives, and load weights into it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from eecompile.factory import call_factory, call_with
from eengines.errors import IngestError

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["check_weights", "load_weights", "make_network", "network_words"]


def network_words(arch: str | None, factory: str | None) -> str:
    """What makes the network, in words for messages."""
    return f"--factory {factory}" if factory is not None else f"arch '{arch}'"


def make_network(arch: str | None, arch_kwargs: Mapping[str, Any], factory: str | None) -> "nn.Module":
    """Make a network with fresh weights.

    Args:
        arch: name of an architecture in `eecompile.zoo`, or None.
        arch_kwargs: keyword arguments of the architecture.
        factory: `package.module:function` that takes the place of `arch`, or None.

    Raises:
        IngestError: there is no architecture, or it does not take the arguments.
    """
    from torch import nn

    where = network_words(arch, factory)
    if factory is not None:
        module = call_factory(factory, **arch_kwargs)
    elif arch is not None:
        from eecompile.zoo import lookup

        module = call_with(lookup(arch), arch_kwargs, where=where)
    else:
        raise IngestError(
            "checkpoint: arch", "is null and no factory is given", "Pass --factory package.module:function"
        )
    if not isinstance(module, nn.Module):
        raise IngestError(where, f"made {type(module).__name__}, expected a torch.nn.Module", "Return the network")
    return module


def load_weights(module: "nn.Module", weights: "Mapping[str, Tensor]", *, where: str) -> None:
    """Load weights strictly.

    Args:
        module: takes them.
        weights: name -> tensor.
        where: what made the module, for messages.

    Raises:
        IngestError: names or shapes do not fit.
    """
    check_weights(where, module.state_dict(), weights)
    module.load_state_dict(dict(weights))


def check_weights(where: str, expected: "Mapping[str, Tensor]", got: "Mapping[str, Tensor]") -> None:
    """Compare names and shapes.

    Raises:
        IngestError: they differ.
    """
    remedy = "Give the factory and arch_kwargs that the weights were trained with"
    missing = [name for name in expected if name not in got]
    unexpected = [name for name in got if name not in expected]
    if missing or unexpected:
        problem = f"weights do not fit: missing {_some(missing)}; unexpected {_some(unexpected)}"
        raise IngestError(where, problem, remedy)
    for name, tensor in expected.items():
        if tensor.shape != got[name].shape:
            problem = f"weight '{name}' has shape {list(got[name].shape)}, expected {list(tensor.shape)}"
            raise IngestError(where, problem, remedy)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more if names else "none"
