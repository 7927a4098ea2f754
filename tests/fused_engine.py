"""An engine of the host that breaks when it is told to."""

from dataclasses import dataclass, field

from eengines.errors import EngineError


@dataclass(eq=False)
class Fuse:
    """Lets runs through until it is set; then that many runs later one fails, once.

    Attributes:
        left: runs until one fails, that one counted; None: none will.
        done: one entry for each run that went well.
    """

    left: int | None = None
    done: list[int] = field(default_factory=list)

    def burn(self):
        """Count a run."""
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                self.left = None
                raise EngineError("segment", "the engine broke", "Mend it")


@dataclass(frozen=True)
class FusedEngine:
    """An engine whose sessions burn a fuse."""

    engine: object
    fuse: Fuse

    @property
    def inputs(self):
        return self.engine.inputs

    @property
    def outputs(self):
        return self.engine.outputs

    def open(self, inputs, outputs):
        session, fuse = self.engine.open(inputs, outputs), self.fuse

        class Fused:
            def run(self):
                fuse.burn()
                session.run()
                fuse.done.append(1)

        return Fused()
