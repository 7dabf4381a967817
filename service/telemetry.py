"""Traces for whoever collects them: FastAPI's own spans, sent by OTLP over HTTP (the extra `otlp`)."""

from fastapi.telemetry import TelemetryConfig

from service.errors import BadSetting

OFF = TelemetryConfig(tracing=False, metrics=False, logs=False)


def telemetry(endpoint: str) -> TelemetryConfig:
    """What FastAPI is to record: nothing, or spans for this collector; raises BadSetting where the extra is not installed."""
    if not endpoint:
        return OFF
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise BadSetting("GRADWIRE_OTLP_ENDPOINT: traces need the extra otlp: pip install gradwire-service[otlp]") from None
    provider = TracerProvider(resource=Resource.create({"service.name": "gradwire"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")))
    return TelemetryConfig(tracer_provider=provider, tracing=True, metrics=False, logs=False)


def flush(config: TelemetryConfig) -> None:
    """Send what is left, at the end."""
    provider = config.get("tracer_provider")
    if provider is not None:
        provider.shutdown()  # type: ignore[attr-defined]
