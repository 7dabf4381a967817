"""The server under test, as the cases see it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

from tests.conformance.case import NotApplicable, Unmet
from tests.conformance.outputs import outputs_of
from tests.conformance.rest import Connection, Reply, connection
from tests.conformance.sample import Sample
from tests.conformance.tensor import Tensor


@dataclass
class Server:
    """Where it listens, what to send it, and the gRPC client if there is one."""

    url: str
    sample: Sample
    grpc: Any = None
    shm_prefix: str = "gradwire"
    assumed: frozenset[str] = frozenset()

    def connection(self) -> AbstractContextManager[Connection]:
        """A connection for several requests."""
        return connection(self.url)

    def call(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        """One request on a connection of its own."""
        with self.connection() as once:
            return once.send(method, path, body, headers)

    @property
    def model(self) -> str:
        """The path of the sample's model."""
        return self.model_path(self.sample.model)

    @staticmethod
    def model_path(name: str) -> str:
        """The path of any model."""
        return "/v2/models/" + quote(name, safe="")

    def infer(self, request: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        """An inference of the sample, or of this request."""
        return self.call("POST", f"{self.model}/infer", self.sample.request() if request is None else request, headers)

    @cached_property
    def extensions(self) -> frozenset[str]:
        """What the server metadata lists, and what is assumed; where there is no metadata, a case of its own finds that."""
        try:
            return self.assumed | frozenset(self.call("GET", "/v2").ok().json()["extensions"])
        except (Unmet, KeyError, TypeError):
            return self.assumed

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """The model's metadata."""
        found = self.call("GET", self.model).ok().json()
        if not isinstance(found, dict):
            raise Unmet(f"the metadata is no object: {found}")
        return found

    @cached_property
    def expected(self) -> dict[str, Tensor]:
        """What the plain sample gives: the measure of every other way to ask for it."""
        return outputs_of(self.infer().ok())

    @property
    def output_names(self) -> list[str]:
        """The names that the sample expects, or else those that the plain sample gave."""
        return self.sample.outputs or list(self.expected)

    @property
    def version(self) -> str:
        """A version that may be asked for."""
        versions = self.metadata.get("versions")
        if not versions:
            raise NotApplicable("the model's metadata lists no versions")
        return str(versions[0])
