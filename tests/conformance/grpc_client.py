"""A gRPC client of the protocol."""

from functools import cached_property
from typing import Any

import grpc

from tests.conformance.case import Unmet
from tests.conformance.grpc_messages import PACKAGE, messages

TIMEOUT_S = 30
# These say that no answer came, and are no answer.
SILENCE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}


class GrpcClient:
    """One channel to the server."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address)

    def send(self, method: str, **fields: Any) -> tuple[str, Any]:
        """The status code's name, and the reply where that is OK or else what the server said."""
        known = messages()
        call = self.channel.unary_unary(
            f"/{PACKAGE}.GRPCInferenceService/{method}",
            request_serializer=known[f"{method}Request"].SerializeToString,
            response_deserializer=known[f"{method}Response"].FromString,
        )
        try:
            return "OK", call(known[f"{method}Request"](**fields), timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            if error.code() in SILENCE:
                raise Unmet(f"no gRPC answer: {error.code().name}: {error.details()}") from None
            return error.code().name, error.details()

    def call(self, method: str, **fields: Any) -> Any:
        """The reply, which must be OK."""
        code, reply = self.send(method, **fields)
        if code != "OK":
            raise Unmet(f"{method}: {code}: {reply}")
        return reply

    @cached_property
    def extensions(self) -> frozenset[str]:
        """What ServerMetadata lists."""
        code, reply = self.send("ServerMetadata")
        return frozenset(reply.extensions) if code == "OK" else frozenset()

    def close(self) -> None:
        """Close the channel."""
        self.channel.close()
