"""Look at and change who reads what in a network.

The library returns the same Python object for a tensor as long as one is alive. So tensors are kept here and compared
by identity: names need not be unique.
"""

from collections.abc import Sequence

from eengines.nvinfer import api

__all__ = ["Wiring"]


class Wiring:
    """The layers of a network as they are now, and who makes and reads each tensor.

    Layers that are added later are not seen, so that a tensor can be replaced by one that is made from it.
    """

    def __init__(self, network: api.INetworkDefinition) -> None:
        self._network = network
        self.layers = [network.get_layer(index) for index in range(network.num_layers)]
        self._producers: dict[int, api.ILayer] = {}
        self._users: dict[int, list[tuple[api.ILayer, int]]] = {}
        self._alive: list[api.ITensor] = []
        for layer in self.layers:
            for index in range(layer.num_outputs):
                self._alive.append(layer.get_output(index))
                self._producers[id(self._alive[-1])] = layer
            for index in range(layer.num_inputs):
                tensor = layer.get_input(index)
                if tensor is not None:
                    self._alive.append(tensor)
                    self._users.setdefault(id(tensor), []).append((layer, index))

    def producer(self, tensor: api.ITensor) -> api.ILayer | None:
        """The layer that makes a tensor; None: it is an input of the network."""
        return self._producers.get(id(tensor))

    def users(self, tensor: api.ITensor) -> Sequence[tuple[api.ILayer, int]]:
        """The layers that read a tensor, and as which of their inputs."""
        return self._users.get(id(tensor), ())

    def is_read(self, tensor: api.ITensor) -> bool:
        """Whether a layer reads a tensor, or it is an output of the network."""
        outputs = (self._network.get_output(index) for index in range(self._network.num_outputs))
        return bool(self.users(tensor)) or any(output is tensor for output in outputs)

    def is_constant(self, tensor: api.ITensor) -> bool:
        """Whether a tensor is made of constants alone."""
        waiting = [tensor]
        while waiting:
            layer = self.producer(waiting.pop())
            if layer is None:
                return False
            inputs = [layer.get_input(index) for index in range(layer.num_inputs)]
            waiting.extend(value for value in inputs if value is not None)
        return True

    def replace(self, old: api.ITensor, new: api.ITensor) -> None:
        """Let all users of `old` read `new`; if `old` is an output of the network, `new` takes its place and name."""
        for layer, index in self.users(old):
            layer.set_input(index, new)
        outputs = [self._network.get_output(index) for index in range(self._network.num_outputs)]
        if not any(output is old for output in outputs):
            return
        for output in outputs:  # all of them, so that the order stays
            self._network.unmark_output(output)
        name, old.name = old.name, f"{old.name}/replaced"
        new.name = name
        for output in outputs:
            self._network.mark_output(new if output is old else output)
