"""What a server says when it begins."""

from eerun.serve.repository import Repository, Served
from eerun.serve.sockets import Sockets, web_address

__all__ = ["start_lines"]


def start_lines(repository: Repository, sockets: Sockets, *, grpc: str | None) -> list[str]:
    """Return a line for each model.

    Args:
        repository: the models.
        sockets: where HTTP listens.
        grpc: `host:port` of gRPC; None: there is none.
    """
    where = f"on http://{web_address(sockets.http)}"
    if grpc is not None:
        where += f", gRPC {grpc}"
    if sockets.metrics is not None:
        where += f", metrics http://{web_address(sockets.metrics)}/metrics"
    return [f"serving {_words(repository.get(name))} {where}" for name in repository.names()]


def _words(served: Served) -> str:
    model = served.model
    exits = "1 exit" if len(model.exits) == 1 else f"{len(model.exits)} exits"
    return f'{served.path.name} as "{served.name}" ({model.engine} {model.precision}, {exits})'
