# docker build -t gradwire-service:cpu .                   PyTorch and ONNX Runtime on the CPU
# docker build -t gradwire-service:edge --target edge .    ONNX Runtime alone: no PyTorch, a third of the size
# docker build -t gradwire-service:gpu --target gpu .      the CUDA build of PyTorch; run it with a GPU
# No BuildKit features: Compose without the buildx plugin builds it too. docs/deployment.md has the arguments.

# A tag moves with Debian's and Python's security fixes. To build the same bytes again: --build-arg PYTHON_IMAGE=python@sha256:<digest>
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM ${PYTHON_IMAGE} AS base
# ONNX Runtime, since 1.29, reports its use to its makers unless told not to.
ENV ORT_DISABLE_TELEMETRY=1

# What every image has: all dependencies but the two that compute. The code changes more often than they do, and comes later.
FROM base AS dependencies
# Instead of the usual package index; not kept in the image.
ARG PIP_INDEX_URL
# Optional extras of pyproject.toml, with spaces between: --build-arg EXTRAS="arrow otlp"
ARG EXTRAS=
ENV PIP_CONSTRAINT=/build/constraints.txt \
    PIP_BUILD_CONSTRAINT=/build/constraints.txt \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY pyproject.toml constraints.txt ./
# The environment that the final stages copy has no pip of its own; this one fills it.
RUN python -m pip install --constraint constraints.txt pip \
    && python -m venv --without-pip /opt/gradwire
RUN python -c 'import os, re, tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; extras = os.environ["EXTRAS"].split(); print(*(each for each in project["dependencies"] + [each for extra in extras for each in project["optional-dependencies"][extra]] if re.match(r"[\w-]+", each)[0] not in ("torch", "onnxruntime")), sep="\n")' > requirements.txt \
    && python -m pip --python /opt/gradwire/bin/python install --requirement requirements.txt \
    && find /opt/gradwire -type d \( -name tests -o -path '*/onnx/backend/test' \) -prune -exec rm -rf {} +

FROM dependencies AS edge-dependencies
RUN python -m pip --python /opt/gradwire/bin/python install --constraint constraints.txt onnxruntime

FROM edge-dependencies AS cpu-dependencies
# PyTorch's own index of CPU builds: 0.2 GB to fetch where the usual index has 3 GB of CUDA. Torch alone is taken from there.
# Empty: whatever the usual index, or pip's settings in the base image, hold.
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu
RUN python -m pip --python /opt/gradwire/bin/python install --no-deps --constraint constraints.txt ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} torch \
    && python -m pip --python /opt/gradwire/bin/python install --constraint constraints.txt torch \
    && find /opt/gradwire -type d \( -name tests -o -path '*/torch/test' \) -prune -exec rm -rf {} +

# The fused kernel, for any processor of this architecture; where no compiler can be had, the equations run as they stand. The compiler and
# the headers stay in these stages.
FROM cpu-dependencies AS native
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends g++ && rm -rf /var/lib/apt/lists/* \
    || echo "no C++ compiler: this image will have no fused kernel"
COPY models/__init__.py models/
COPY models/native models/native
RUN mkdir -p /opt/gradwire/share && /opt/gradwire/bin/python -m models.native

FROM cpu-dependencies AS cpu-run-time
RUN rm -rf /opt/gradwire/lib/python3*/site-packages/torch/include

# The service and its graphs. They are written now, for at run time the root file system may be read-only, and need neither of the two.
FROM dependencies AS service
COPY . .
RUN python -m pip --python /opt/gradwire/bin/python install --no-deps --prefix /service .
WORKDIR /service
RUN PYTHONPATH=$(echo /service/lib/python3*/site-packages) /opt/gradwire/bin/python -m models.export \
    && mv /opt/gradwire/share /service/

# What the images share.
FROM base AS runtime
RUN groupadd --gid 10001 gradwire \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin gradwire
ENV PATH=/opt/gradwire/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GRADWIRE_HOST=0.0.0.0 \
    GRADWIRE_PORT=8000 \
    GRADWIRE_GRPC_PORT=8001
USER 10001:10001
EXPOSE 8000 8001
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-IS", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open(f'http://127.0.0.1:{os.environ[\"GRADWIRE_PORT\"]}/health/ready', timeout=4)"]
# Exec form: the service is process 1, gets TERM itself, and passes it on to its workers.
ENTRYPOINT ["gradwire"]
STOPSIGNAL SIGTERM
ARG PYTHON_IMAGE
ARG VERSION=0.1.0
ARG REVISION=
ARG CREATED=
ARG SOURCE=
LABEL org.opencontainers.image.title="gradwire-service" \
      org.opencontainers.image.description="Multi-label losses and their exact gradients over HTTP and gRPC" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.base.name="$PYTHON_IMAGE"

FROM runtime AS cpu
COPY --from=cpu-run-time /opt/gradwire /opt/gradwire
COPY --from=native /opt/gradwire/share /opt/gradwire/share
# Last and small: a new version of the service is all that a node has to fetch.
COPY --from=service /service /opt/gradwire

FROM runtime AS edge
ENV GRADWIRE_RUNTIMES=onnx
COPY --from=edge-dependencies /opt/gradwire /opt/gradwire
COPY --from=service /service /opt/gradwire

# Only here are these two needed, and only a builder that ignores --target comes so far without being asked.
FROM dependencies AS gpu-dependencies
# There is not yet a build for every version of onnxruntime: this is pinned here, and not in constraints.txt.
ARG ONNXRUNTIME_GPU=1.31.1
RUN python -m pip --python /opt/gradwire/bin/python install --constraint constraints.txt torch "onnxruntime-gpu==${ONNXRUNTIME_GPU}" \
    && find /opt/gradwire -type d \( -name tests -o -path '*/torch/include' -o -path '*/torch/test' \) -prune -exec rm -rf {} +

FROM runtime AS gpu
# PyTorch brings CUDA; NVIDIA's container runtime adds the driver. Compiled kernels may be kept in /tmp, the one place that can be written.
ENV GRADWIRE_DEVICE=cuda \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    CUDA_CACHE_PATH=/tmp/cuda
COPY --from=gpu-dependencies /opt/gradwire /opt/gradwire
COPY --from=service /service /opt/gradwire

# The last stage is what a plain `docker build .` makes.
FROM cpu AS default
