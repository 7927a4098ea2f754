"""Why a request over the network is not answered, beyond the errors that every caller of a model can get.

UserError
├── UnknownModelError  HTTP 404: no such model, or no such version of it
├── RequestError       HTTP 400: the request is not what the protocol says
├── TooLargeError      HTTP 413: more bytes than the server takes
└── SlowClientError    HTTP 408: the body did not come in time
RefusedError
├── OverloadError
│   └── FullError      HTTP 503: the bodies that the server holds are too many bytes
└── DeadlineError
    └── LateError      HTTP 504: the deadline passed before the model had the request
EngineError
└── AnswerError        HTTP 500: the network's answer cannot be told in JSON
"""

from typing import ClassVar

from eengines.errors import DeadlineError, EngineError, OverloadError, UserError

__all__ = [
    "AnswerError",
    "FullError",
    "LateError",
    "RequestError",
    "SlowClientError",
    "TooLargeError",
    "UnknownModelError",
]


class UnknownModelError(UserError):
    """No such model is served, or not in that version."""

    http_status: ClassVar[int] = 404


class RequestError(UserError):
    """A request is not what the protocol says."""


class TooLargeError(UserError):
    """A request has more bytes than the server takes."""

    http_status: ClassVar[int] = 413


class SlowClientError(UserError):
    """The body of a request did not come in time."""

    http_status: ClassVar[int] = 408


class FullError(OverloadError):
    """The bodies of all requests that the server holds are as many bytes as it may hold."""


class LateError(DeadlineError):
    """The deadline of a request passed while the server read it."""


class AnswerError(EngineError):
    """The network's answer has numbers that JSON does not have."""

    http_status: ClassVar[int] = 500
