"""Find and import TensorRT or TensorRT for RTX."""

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import cast

from eengines.errors import EngineError
from eengines.nvinfer.library_api import TensorRt

__all__ = ["Library"]


@dataclass(frozen=True, kw_only=True)
class Library:
    """A library and how to get it.

    Attributes:
        title: its name for people.
        module: what is imported.
        extra: of this project, that installs it.
    """

    title: str
    module: str
    extra: str

    def load(self) -> TensorRt:
        """Import it.

        Raises:
            EngineError: it is missing, or does not start.
        """
        if find_spec(self.module) is None:
            raise EngineError(self.title, f"{self.module} is not installed", f"pip install 'eecompile[{self.extra}]'")
        try:
            return cast("TensorRt", import_module(self.module))
        except (ImportError, OSError, RuntimeError) as error:
            raise EngineError(
                self.title,
                f"{self.module} is installed but does not start: {error}",
                f"Install it again: pip install --force-reinstall 'eecompile[{self.extra}]'",
            ) from error
