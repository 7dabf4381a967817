# docker build -t gradwire-service:cpu .
# No BuildKit features: Compose without the buildx plugin builds it too.
# Where an index offers a CPU-only torch (far smaller than the usual one): --build-arg PIP_EXTRA_INDEX_URL=<that index>
FROM python:3.11-slim-bookworm AS base
# ONNX Runtime, since 1.29, reports its use to its makers unless told not to.
ENV ORT_DISABLE_TELEMETRY=1

FROM base AS builder
ARG PIP_EXTRA_INDEX_URL=
# Optional extras of pyproject.toml, with spaces between: --build-arg EXTRAS=arrow
ARG EXTRAS=
ENV PIP_CONSTRAINT=/build/constraints.txt \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# The environment that the final stage copies has no pip of its own; the base image's fills it.
RUN python -m venv --without-pip /opt/gradwire
# Dependencies first: the code changes more often than they do.
COPY pyproject.toml constraints.txt ./
RUN python -c 'import os, tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; print(*project["dependencies"], *(each for extra in os.environ["EXTRAS"].split() for each in project["optional-dependencies"][extra]), sep="\n")' > requirements.txt \
    && python -m pip --python /opt/gradwire/bin/python install -r requirements.txt
COPY . .
RUN python -m pip --python /opt/gradwire/bin/python install --no-deps .
# The ONNX graphs are written now, into the environment: at run time the root file system may be read-only.
WORKDIR /
RUN /opt/gradwire/bin/python -m models.export

FROM base AS cpu
RUN groupadd --gid 10001 gradwire \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin gradwire
COPY --from=builder /opt/gradwire /opt/gradwire
ENV PATH=/opt/gradwire/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GRADWIRE_HOST=0.0.0.0 \
    GRADWIRE_PORT=8000 \
    GRADWIRE_GRPC_PORT=8001
USER 10001:10001
EXPOSE 8000 8001
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-IS", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open(f'http://127.0.0.1:{os.environ[\"GRADWIRE_PORT\"]}/health/ready', timeout=4)"]
# Exec form: the service is process 1 and gets TERM itself.
ENTRYPOINT ["gradwire"]
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="gradwire-service" \
      org.opencontainers.image.description="Multi-label losses and their exact gradients over HTTP" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
