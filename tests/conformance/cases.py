"""Every case, by its name: importing a module of cases adds them."""

from tests.conformance import (
    binary,  # noqa: F401
    binary_refusals,  # noqa: F401
    grpc_cases,  # noqa: F401
    grpc_extensions,  # noqa: F401
    grpc_refusals,  # noqa: F401
    health,  # noqa: F401
    inference,  # noqa: F401
    metadata,  # noqa: F401
    refusals,  # noqa: F401
    repository,  # noqa: F401
    shared_memory,  # noqa: F401
    statistics,  # noqa: F401
)
from tests.conformance.case import CASES

__all__ = ["CASES"]
