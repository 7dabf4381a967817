"""Requests that schemathesis makes from our own OpenAPI document, right ones and wrong ones, with every check that has a meaning here."""

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import positive_data_acceptance

from service.app import create_app
from service.documentation import BINARY
from service.settings import Settings

CONFIG = SchemathesisConfig.from_dict({"generation": {"deterministic": True}})
DOCUMENT = create_app(Settings(_env_file=None), {}).openapi()  # type: ignore[call-arg]
for _path in ("/loss", "/grad"):  # the binary forms have fuzzers of their own, which know them
    _content = DOCUMENT["paths"][_path]["post"]["requestBody"]["content"]
    for _media_type in BINARY:
        del _content[_media_type]
schema = schemathesis.openapi.from_dict(DOCUMENT, config=CONFIG)


@schema.parametrize()
@settings(deadline=None, max_examples=60, derandomize=True, suppress_health_check=list(HealthCheck))
def test_the_service_does_what_its_document_says(case: schemathesis.Case, live_service: str) -> None:
    # JSON Schema cannot say that two arrays have the same shape, or that one of two fields is needed: a request that its schema
    # admits may be wrong, and 422 is then right; nor which inputs the graph of a loss may have. Whatever its schema does not admit is
    # refused all the same: negative_data_rejection.
    beyond_schema = [positive_data_acceptance] if case.method == "POST" or case.path.endswith("/onnx") else []
    case.call_and_validate(base_url=live_service, excluded_checks=beyond_schema)
