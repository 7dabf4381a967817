"""Cases: extensions over gRPC, where ServerMetadata lists them."""

from tests.conformance.case import case, expect
from tests.conformance.grpc_cases import sample_request
from tests.conformance.health import UNKNOWN
from tests.conformance.repository import REPOSITORY
from tests.conformance.server import Server
from tests.conformance.statistics import STATISTICS


@case("Statistics, GRPC: ModelStatistics counts successful inferences", extension=STATISTICS, grpc=True)
def grpc_statistics_rise_by_inference(server: Server) -> None:
    def counted() -> int:
        return sum(each.inference_stats.success.count for each in server.grpc.call("ModelStatistics", name=server.sample.model).model_stats)

    before = counted()
    server.grpc.call("ModelInfer", **sample_request(server))
    expect(counted() > before, f"success {before}, and {counted()} after an inference")


@case("Statistics, GRPC: without a name, those of all models", extension=STATISTICS, grpc=True)
def grpc_statistics_of_all_models(server: Server) -> None:
    found = [each.name for each in server.grpc.call("ModelStatistics").model_stats]
    expect(server.sample.model in found, f"models {found}")


@case("Statistics, GRPC: errors are indicated by the status", extension=STATISTICS, grpc=True)
def grpc_statistics_of_an_unknown_model_are_refused(server: Server) -> None:
    expect(server.grpc.send("ModelStatistics", name=UNKNOWN)[0] != "OK", "ModelStatistics is OK")


@case("Repository, GRPC: RepositoryIndex gives every model with its name and state", extension=REPOSITORY, grpc=True)
def grpc_index_lists_the_model(server: Server) -> None:
    for ready in (False, True):
        found = {each.name: each.state for each in server.grpc.call("RepositoryIndex", ready=ready).models}
        expect(found.get(server.sample.model), f"models {found}")
