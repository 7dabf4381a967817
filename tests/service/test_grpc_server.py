"""The Open Inference Protocol over gRPC, and grpc.health.v1 beside it, by plain grpcio: codes, limits, streams, and what comes after."""

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2
from starlette.testclient import TestClient

from models.contract import Runtime
from service.app import create_app
from service.grpc_server import SERVICE
from service.protos import open_inference_pb2 as pb
from service.settings import Settings
from tests.conftest import free_port, wait_until_ready
from tests.service.test_engine import Waiting

SCORES = np.float32([[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]])
LABELS = np.array([[0, -1], [1, 2]])
MODEL = "softmax_cross_entropy.grad"
LIMIT = 1 << 20
INVALID, NOT_FOUND, EXHAUSTED = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.RESOURCE_EXHAUSTED


class Client:
    """Calls by name."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address, options=[("grpc.max_send_message_length", -1)])

    def call(self, name: str, data: bytes | None = None, /, **fields: Any) -> Any:
        """One call; bytes as they are, or a message of these fields."""
        text = getattr(pb, f"{name}Request")(**fields).SerializeToString() if data is None else data
        return getattr(pb, f"{name}Response").FromString(self.channel.unary_unary(f"/{SERVICE}/{name}")(text, timeout=20))

    def health(self, service: str) -> int:
        """What grpc.health.v1 says."""
        text = health_pb2.HealthCheckRequest(service=service).SerializeToString()
        return int(
            health_pb2.HealthCheckResponse.FromString(self.channel.unary_unary("/grpc.health.v1.Health/Check")(text, timeout=5)).status
        )


@contextlib.contextmanager
def serving(started: dict[str, Runtime], **settings: Any) -> Iterator[tuple[Client, TestClient]]:
    """The app with gRPC on a free port."""
    address = f"127.0.0.1:{free_port()}"
    with TestClient(create_app(Settings(_env_file=None, **settings), started, address)) as over_http:  # type: ignore[call-arg]
        client = Client(address)
        yield client, over_http
        client.channel.close()


@pytest.fixture(scope="module")
def grpc_client(runtimes: dict[str, Runtime]) -> Iterator[Client]:
    with serving(runtimes, max_body_bytes=LIMIT) as (client, over_http):
        wait_until_ready(lambda: over_http.get("/health/ready").status_code == 200)
        yield client


def message(scores: Any = SCORES, **more: Any) -> pb.ModelInferRequest:
    """A request that is refused by nobody."""
    inputs = [
        {"name": "scores", "datatype": "FP32", "shape": scores.shape},
        {"name": "labels", "datatype": "INT64", "shape": LABELS.shape},
    ]
    return pb.ModelInferRequest(
        **{"model_name": MODEL, "inputs": inputs, "raw_input_contents": [scores.tobytes(), LABELS.tobytes()]} | more
    )


def assert_answered(client: Client) -> None:
    answer = client.call("ModelInfer", message().SerializeToString())
    grad = np.frombuffer(answer.raw_output_contents[1], np.float32).reshape(2, 3)
    p = np.exp(SCORES) / np.exp(SCORES).sum(1, keepdims=True)
    np.testing.assert_allclose(grad, (p - [[1, 0, 0], [0, 0.5, 0.5]]) / 2, rtol=1e-5)


def refused(client: Client, code: grpc.StatusCode, name: str, data: bytes | None = None, /, **fields: Any) -> str:
    """The words of a call that is refused with this code."""
    with pytest.raises(grpc.RpcError) as error:
        client.call(name, data, **fields)
    assert error.value.code() is code, error.value.details()
    assert_answered(client)
    return str(error.value.details())


def test_the_server_and_its_models_describe_themselves(grpc_client: Client) -> None:
    assert grpc_client.call("ServerLive").live and grpc_client.call("ServerReady").ready
    assert grpc_client.call("ServerMetadata").name == "gradwire"
    assert grpc_client.call("ModelReady", name=MODEL).ready and grpc_client.call("ModelReady", name="focal", version="1").ready
    about = grpc_client.call("ModelMetadata", name=MODEL)
    assert [each.name for each in about.outputs] == ["loss", "grad"]
    assert about.inputs[0] == pb.ModelMetadataResponse.TensorMetadata(name="scores", datatype="FP32", shape=[-1, -1])
    assert about.properties["grpc_max_receive_message_bytes"] == about.properties["grpc_max_send_message_bytes"] == str(LIMIT)
    assert MODEL in [each.name for each in grpc_client.call("RepositoryIndex", ready=True).models]
    for service in ("", SERVICE):
        assert grpc_client.health(service) == health_pb2.HealthCheckResponse.SERVING


def test_a_gradient_is_what_the_paper_says(grpc_client: Client) -> None:
    assert_answered(grpc_client)
    before = grpc_client.call("ModelStatistics", name=MODEL).model_stats[0]
    answer = grpc_client.call("ModelInfer", message(id="9").SerializeToString())
    assert (answer.id, answer.model_name, answer.model_version) == ("9", MODEL, "1")
    after = grpc_client.call("ModelStatistics", name=MODEL).model_stats[0]
    assert after.inference_count == before.inference_count + 1
    assert len(grpc_client.call("ModelStatistics").model_stats) > 10


@pytest.mark.parametrize("name", ["ModelReady", "ModelMetadata", "ModelStatistics"])
def test_an_unknown_model_is_not_found(name: str, grpc_client: Client) -> None:
    assert "did you mean 'focal.grad'" in refused(grpc_client, NOT_FOUND, name, name="focl.grad")
    assert "the only one is '1'" in refused(grpc_client, NOT_FOUND, name, name="focal", version="2")


def test_an_inference_that_is_wrong_is_an_invalid_argument_in_our_words(grpc_client: Client) -> None:
    wrong = LABELS + 3
    words = refused(grpc_client, INVALID, "ModelInfer", message(raw_input_contents=[SCORES.tobytes(), wrong.tobytes()]).SerializeToString())
    assert words == "/labels/0/0: class 3 is out of range for C = 3"
    assert "ends before it" in refused(
        grpc_client, INVALID, "ModelInfer", message(raw_input_contents=[SCORES.tobytes()]).SerializeToString()
    )
    assert "no model named" in refused(grpc_client, NOT_FOUND, "ModelInfer", message(model_name="x" * 10_000).SerializeToString())


@pytest.mark.parametrize("name", ["ModelInfer", "ModelReady", "ServerLive", "RepositoryIndex", "SystemSharedMemoryRegister"])
@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x7f", b"\x08", b"\x0a\x01\xff"])
def test_bytes_that_are_no_message_are_an_invalid_argument(name: str, data: bytes, grpc_client: Client) -> None:
    if name == "ServerLive" and data == b"\x0a\x01\xff":
        return  # an unknown field: any bytes will do
    assert f"no {name}Request" in refused(grpc_client, INVALID, name, data)


def test_a_message_over_the_limit_is_refused_and_so_is_one_that_unpacks_to_more(grpc_client: Client) -> None:
    call = grpc_client.channel.unary_unary(f"/{SERVICE}/ModelInfer")
    for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
        with pytest.raises(grpc.RpcError) as error:
            call(bytes(LIMIT + 1), timeout=20, compression=compression)
        assert error.value.code() is EXHAUSTED
        assert_answered(grpc_client)
    assert pb.ModelInferResponse.FromString(call(message().SerializeToString(), timeout=20, compression=grpc.Compression.Gzip)).outputs


def test_too_many_numbers_exhaust_the_service(runtimes: dict[str, Runtime]) -> None:
    with serving(runtimes, max_elements=6) as (client, over_http):
        wait_until_ready(lambda: over_http.get("/health/ready").status_code == 200)
        large = np.zeros((2, 4), np.float32)
        assert "GRADWIRE_MAX_ELEMENTS" in refused(client, EXHAUSTED, "ModelInfer", message(large).SerializeToString())


def test_a_method_that_is_not_there_is_unimplemented(grpc_client: Client) -> None:
    with pytest.raises(grpc.RpcError) as error:
        grpc_client.channel.unary_unary(f"/{SERVICE}/ModelTrain")(b"", timeout=5)
    assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_stream_goes_on_behind_a_request_that_is_refused(grpc_client: Client) -> None:
    sent = [message(id="1"), message(id="2", model_name="x"), message(id="3")]
    call = grpc_client.channel.stream_stream(f"/{SERVICE}/ModelStreamInfer")
    found = [
        pb.ModelStreamInferResponse.FromString(each)
        for each in call(iter([*(each.SerializeToString() for each in sent), b"\xff"]), timeout=20)
    ]
    assert [each.infer_response.id for each in found] == ["1", "", "3", ""]
    assert ["no model named" in each.error_message for each in found] == [False, True, False, False]
    assert "no ModelInferRequest" in found[3].error_message


def test_shared_memory_is_off_here(grpc_client: Client) -> None:
    assert "GRADWIRE_SHARED_MEMORY" in refused(grpc_client, NOT_FOUND, "SystemSharedMemoryStatus")


def test_a_service_that_is_not_warm_is_unavailable_and_its_health_says_so() -> None:
    runtime = Waiting(warm=False)
    with serving({"pytorch": runtime}, runtimes=("pytorch",)) as (client, over_http):
        assert client.call("ServerLive").live and not client.call("ServerReady").ready
        assert client.health("") == health_pb2.HealthCheckResponse.NOT_SERVING
        assert not client.call("RepositoryIndex", ready=True).models
        with pytest.raises(grpc.RpcError) as error:
            client.call("ModelInfer", message().SerializeToString())
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE
        assert dict(error.value.trailing_metadata())["retry-after"] == "1"
        runtime.may_warm.set()
        wait_until_ready(lambda: over_http.get("/health/ready").status_code == 200)
        wait_until_ready(lambda: client.health("") == health_pb2.HealthCheckResponse.SERVING)


def test_an_error_of_the_service_itself_is_internal_and_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Waiting):
        def run(self, job: Any) -> Any:
            raise ZeroDivisionError("secret")

    with serving({"pytorch": Failing()}, runtimes=("pytorch",)) as (client, over_http):
        wait_until_ready(lambda: over_http.get("/health/ready").status_code == 200)
        with pytest.raises(grpc.RpcError) as error:
            client.call("ModelInfer", message().SerializeToString())
        assert error.value.code() is grpc.StatusCode.INTERNAL
        assert "secret" not in str(error.value.details())
        assert "secret" in caplog.text


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "keys"
    file.write_text(hashlib.sha256(b"first").hexdigest() + " trainer\n")
    return file


KEY = (("authorization", "Bearer first"),)


def test_a_stream_is_held_to_its_keys_rate_message_by_message(runtimes: dict[str, Runtime], keys: Path) -> None:
    with serving(runtimes, api_keys_file=keys, key_rate=3) as (client, over_http):
        wait_until_ready(lambda: over_http.get("/health/ready").status_code == 200)
        call = client.channel.stream_stream(f"/{SERVICE}/ModelStreamInfer")
        sent = [message().SerializeToString()] * 6
        found = [pb.ModelStreamInferResponse.FromString(each).error_message for each in call(iter(sent), metadata=KEY, timeout=20)]
        assert found[:3] == ["", "", ""]
        assert all("3 requests a second" in each for each in found[3:]) and len(found) == 6


def test_who_has_no_key_is_refused_before_a_message_is_read(runtimes: dict[str, Runtime], keys: Path) -> None:
    with serving(runtimes, api_keys_file=keys) as (client, _):
        for name in ("ModelInfer", "ModelStreamInfer", "ModelMetadata"):
            never = threading.Event()
            call = client.channel.stream_stream(f"/{SERVICE}/{name}")(iter(never.wait, True), timeout=20)
            with pytest.raises(grpc.RpcError) as error:
                next(call)
            never.set()
            assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED, error.value.details()


def test_a_call_without_a_message_and_one_whose_message_does_not_come_are_refused(
    grpc_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.grpc_server.PATIENCE_S", 0.3)
    call = grpc_client.channel.stream_stream(f"/{SERVICE}/ModelInfer")
    with pytest.raises(grpc.RpcError, match="has no message"):
        next(call(iter([]), timeout=20))
    never = threading.Event()
    with pytest.raises(grpc.RpcError, match="not whole"):
        next(call(iter(never.wait, True), timeout=20))
    never.set()
    assert_answered(grpc_client)


def test_memory_of_a_call_is_held_until_its_reply_has_gone_out(runtimes: dict[str, Runtime]) -> None:
    with serving(runtimes, memory_bytes=64 << 20) as (client, over_http):
        wait_until_ready(lambda: over_http.get("/health/ready").status_code == 200)
        memory = over_http.app.state.engine.memory  # type: ignore[attr-defined]
        large = message(np.zeros((2, 500_000), np.float32)).SerializeToString()
        call = client.channel.stream_stream(f"/{SERVICE}/ModelStreamInfer")(iter([large] * 4), timeout=20)
        wait_until_ready(lambda: memory.taken > 4_000_000)  # replies that nobody reads yet
        assert len(list(call)) == 4
        wait_until_ready(lambda: memory.taken == 0)
