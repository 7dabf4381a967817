"""Every case, by its name. Importing a module of cases adds them, in the order in which they are reported."""

from importlib import import_module

from tests.conformance.case import CASES

MODULES = (
    *("health", "metadata", "inference", "refusals", "binary", "binary_refusals", "statistics", "repository", "shared_memory"),
    *("grpc_cases", "grpc_refusals", "grpc_extensions"),
)
for _name in MODULES:
    import_module(f"tests.conformance.{_name}")

__all__ = ["CASES"]
