# One image for the command `unetfx`, and for every step on Kubeflow Pipelines and Vertex AI. `make image` builds it. It has
# two tags:
#   docker build -t REGISTRY/unetfx:0.1.0 .
#   docker build -t REGISTRY/unetfx:0.1.0-gpu --build-arg ACCELERATOR=gpu .
# Debian 13's Python and C library are new enough for TFX's wheels.
FROM debian:trixie-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log

ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
WORKDIR /opt/unetfx
# Libraries are installed before the code is copied, because they change less often and the build cache keeps their layer.
COPY pyproject.toml requirements.lock ./
ARG ACCELERATOR=cpu
# The layer keeps what a step reads: no tools, headers, symbols for debuggers or tests. Python's compiled files stay: the user
# below cannot write them, and without them a step takes twice as long to start. TFX's own command needs pip. All this is one
# instruction and not a stage, because engines would read the three gigabytes of a stage for each build, to compare them.
#
# The secret is an optional shell script, which sets the package index and the proxy of the place where the image is built. A
# secret is not in the image, unlike a build argument.
RUN --mount=type=cache,target=/var/cache/uv --mount=type=secret,id=packages --mount=type=secret,id=certificates \
    [ ! -f /run/secrets/packages ] || . /run/secrets/packages; \
    apt-get update \
 && apt-get install --yes --no-install-recommends binutils python3-venv \
 && python3 -m venv /opt/uv \
 && /opt/uv/bin/pip install --quiet --no-cache-dir uv==0.13.9 \
 && export PATH=/opt/uv/bin:$PATH UV_CACHE_DIR=/var/cache/uv UV_LINK_MODE=copy \
 && uv venv --quiet --python /usr/bin/python3 /opt/venv \
 && uv pip install --quiet --compile-bytecode -c requirements.lock -r pyproject.toml --extra sample --extra coco --extra kubeflow \
      $(if [ "$ACCELERATOR" = gpu ]; then echo --extra gpu; fi) pip \
 && cd /opt/venv/lib/python3*/site-packages \
 && rm -r tensorflow/include clang/native/libclang.so \
 && find pandas scipy sklearn numpy pyarrow google/genai -type d -name tests -prune -exec rm -r {} + \
 && strip --strip-unneeded tensorflow/libtensorflow_*.so.2 \
 && apt-get purge --yes --autoremove binutils python3-venv \
 && rm -rf /opt/uv /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log

# Any user can write to /tmp, also where the rest of the file system is read-only.
ENV HOME=/tmp NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
RUN useradd --no-create-home --home-dir /tmp --uid 1000 unetfx && mkdir --mode 1777 /work
# Healthy: `unetfx serve` serves a version; any other command runs.
HEALTHCHECK --interval=30s --timeout=10s --start-period=2m CMD ["python", "-P", "-m", "serving.server.health"]
COPY . ./
RUN pip install --quiet --no-cache-dir --no-index --no-deps --no-build-isolation --editable . && python -m compileall -q .

# A user ID instead of a name, so that Kubernetes can check that the user is not root.
USER 1000
WORKDIR /work
CMD ["unetfx", "--help"]
ARG SOURCE=""
ARG REVISION=""
LABEL org.opencontainers.image.title=unetfx \
      org.opencontainers.image.description="Image segmentation in TFX: from folders of images and masks to a served U-Net." \
      org.opencontainers.image.version=0.1.0 \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.source=$SOURCE \
      org.opencontainers.image.revision=$REVISION
