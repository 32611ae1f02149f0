# One image for every step on Kubeflow Pipelines and Vertex AI, and for the command `unetfx`. It has two tags:
#   docker build -t REGISTRY/unetfx:0.1.0 .
#   docker build -t REGISTRY/unetfx:0.1.0-gpu --build-arg ACCELERATOR=gpu .
FROM debian:trixie-slim

# Debian 13's Python and C library are new enough for TFX's wheels.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*

ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
RUN python3 -m venv /opt/venv && pip install --no-cache-dir uv==0.13.9

# Libraries are installed before the code, because they change less often and the build cache keeps their layer. They are
# compiled to bytecode here, since the user below cannot write to this folder: without bytecode, a step takes twice as long
# to start.
WORKDIR /opt/unetfx
COPY pyproject.toml requirements.lock ./
ENV UV_LINK_MODE=copy
RUN --mount=type=cache,target=/var/cache/uv \
    uv --cache-dir /var/cache/uv pip install --quiet --compile-bytecode -c requirements.lock -r pyproject.toml \
      --extra sample --extra kubeflow
ARG ACCELERATOR=cpu
RUN --mount=type=cache,target=/var/cache/uv \
    if [ "$ACCELERATOR" = gpu ]; then \
      uv --cache-dir /var/cache/uv pip install --quiet -c requirements.lock -r pyproject.toml --extra gpu; \
    fi

COPY setup.py README.md LICENSE ./
COPY data data
COPY serving serving
COPY components components
COPY pipeline pipeline
RUN uv pip install --quiet --offline --no-deps --no-build-isolation -e . && python -m compileall -q .

RUN useradd --create-home --home-dir /var/lib/unetfx --uid 1000 unetfx
# A user ID instead of a name, so that Kubernetes can check that the user is not root.
USER 1000
ENV HOME=/var/lib/unetfx NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /var/lib/unetfx
CMD ["unetfx", "--help"]
