"""The same correct server over gRPC; it can be told to be wrong."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc

from tests.conformance.fake_model import METADATA, Refused, check_head, check_model, compute, demand, numbers, packed
from tests.conformance.fake_statistics import Counts
from tests.conformance.grpc_messages import PACKAGE, messages

SERVICE = f"{PACKAGE}.GRPCInferenceService"


@dataclass
class Called:
    """A call and its answer; a fault may change the answer."""

    method: str
    request: Any
    reply: Any
    code: str = "OK"


class FakeGrpc:
    """Listens on a free port; `fault` changes its answers."""

    def __init__(self, counts: Counts) -> None:
        self.counts = counts
        self.fault: Callable[[Called], None] = lambda called: None
        self.server = grpc.server(ThreadPoolExecutor(4))
        methods = [name.removesuffix("Request") for name in messages() if name.endswith("Request")]
        handlers = {method: self.handler(method) for method in methods}
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def handler(self, method: str) -> Any:
        """A method's handler."""
        known = messages()

        def handle(request: Any, context: Any) -> Any:
            called = Called(method, request, known[f"{method}Response"]())
            try:
                called.reply = known[f"{method}Response"](**getattr(self, method)(request))
            except Refused as why:
                called.code = "NOT_FOUND" if why.status == 404 else "INVALID_ARGUMENT"
            self.fault(called)
            if called.code != "OK":
                context.abort(grpc.StatusCode[called.code], "refused")
            return called.reply

        read, write = known[f"{method}Request"].FromString, known[f"{method}Response"].SerializeToString
        return grpc.unary_unary_rpc_method_handler(handle, read, write)

    def ServerLive(self, _: Any) -> dict[str, Any]:  # noqa: N802 - the protocol's names
        return {"live": True}

    def ServerReady(self, _: Any) -> dict[str, Any]:  # noqa: N802
        return {"ready": True}

    def ServerMetadata(self, _: Any) -> dict[str, Any]:  # noqa: N802
        return {"name": "fake", "version": "1", "extensions": ["statistics", "model_repository"]}

    def ModelReady(self, request: Any) -> dict[str, Any]:  # noqa: N802
        check_model(request.name, request.version)
        return {"ready": True}

    def ModelMetadata(self, request: Any) -> dict[str, Any]:  # noqa: N802
        check_model(request.name, request.version)
        return METADATA

    def ModelStatistics(self, request: Any) -> dict[str, Any]:  # noqa: N802
        check_model(request.name or "sum", request.version)
        (found,) = self.counts.stats()["model_stats"]
        return {"model_stats": [{name: value for name, value in found.items() if name != "batch_stats"}]}

    def RepositoryIndex(self, _: Any) -> dict[str, Any]:  # noqa: N802
        return {"models": [{"name": "sum", "version": "1", "state": "READY"}]}

    def ModelInfer(self, request: Any) -> dict[str, Any]:  # noqa: N802
        check_model(request.model_name, request.model_version)
        return self.counts.counted(lambda: self.infer(request))

    def infer(self, request: Any) -> dict[str, Any]:
        """Typed replies to typed requests, raw ones to raw."""
        raw = list(request.raw_input_contents)
        demand(not raw or len(raw) == len(request.inputs), "raw contents for each input are needed")
        inputs = {}
        for at, each in enumerate(request.inputs):
            shape = list(each.shape)
            check_head({"name": each.name, "datatype": each.datatype, "shape": shape})
            demand(not raw or not each.HasField("contents"), "raw and typed contents")
            content = raw[at] if raw else packed(each.contents.fp32_contents)
            inputs[each.name] = shape, numbers(content, shape)
        outputs = compute(inputs, [each.name for each in request.outputs])
        heads = [{"name": name, "datatype": "FP32", "shape": shape} for name, (shape, _) in outputs.items()]
        values = [values for _, values in outputs.values()]
        reply = {"model_name": "sum", "model_version": "1", "id": request.id}
        if raw:
            return reply | {"outputs": heads, "raw_output_contents": [packed(each) for each in values]}
        return reply | {"outputs": [head | {"contents": {"fp32_contents": each}} for head, each in zip(heads, values, strict=True)]}
