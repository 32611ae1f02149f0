# One image for every step on Kubeflow Pipelines and Vertex AI, and for `unetfx` itself. Two tags:
#   docker build -t REGISTRY/unetfx:0.1.0 .
#   docker build -t REGISTRY/unetfx:0.1.0-gpu --build-arg ACCELERATOR=gpu .
FROM debian:trixie-slim

# Debian 13's Python and C library are new enough for TFX's wheels.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*

ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
RUN python3 -m venv /opt/venv && pip install --no-cache-dir uv==0.13.9

# The libraries first: they change seldom, and each layer is sent only once. What Python compiles is
# kept, since the user below may not write here, and a step would start twice as slowly.
WORKDIR /opt/unetfx
COPY requirements.lock requirements.gpu.lock ./
ENV UV_LINK_MODE=copy
RUN --mount=type=cache,target=/var/cache/uv \
    uv --cache-dir /var/cache/uv pip install --quiet --compile-bytecode --no-deps --require-hashes -r requirements.lock
ARG ACCELERATOR=cpu
RUN --mount=type=cache,target=/var/cache/uv \
    if [ "$ACCELERATOR" = gpu ]; then \
      uv --cache-dir /var/cache/uv pip install --quiet --no-deps --require-hashes -r requirements.gpu.lock; \
    fi

COPY setup.py pyproject.toml README.md LICENSE ./
COPY data data
COPY serving serving
COPY components components
COPY pipeline pipeline
RUN uv pip install --quiet --offline --no-deps --no-build-isolation -e . && python -m compileall -q .

RUN useradd --create-home --home-dir /var/lib/unetfx --uid 1000 unetfx
# A number, so that Kubernetes sees that it is not root.
USER 1000
ENV HOME=/var/lib/unetfx NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /var/lib/unetfx
CMD ["unetfx", "--help"]
