#!/bin/sh
# make image: builds the image with podman or Docker, and names it unetfx:latest, or $TAG. $IMAGE_ARGS are further options of
# the build. The package index, the proxy and the certificates of this machine are used in the build, but are not in the image.
set -eu
cd "$(dirname "$0")/.."
tag=${TAG:-unetfx:latest}

for candidate in podman docker; do
  if timeout 300 $candidate info >/dev/null 2>&1; then engine=$candidate; break; fi
done
[ "${engine-}" ] || {
  echo "make image: no container engine works here. Install podman, or start Docker." >&2
  exit 2
}

base=$(sed -n 's/^FROM \(debian:[^ ]*\).*/\1/p' Dockerfile)
$engine image inspect "$base" >/dev/null 2>&1 || timeout 600 $engine pull "docker.io/library/$base" ||
  scripts/debian_base.sh $engine "$base"

secrets=$(mktemp -d)
trap 'rm -r "$secrets"' EXIT
cat ${SSL_CERT_FILE:+"$SSL_CERT_FILE"} </dev/null >"$secrets/certificates"
{
  export -p | grep -iE '^export ((pip|uv)_[a-z_]*|[a-z]*_proxy)=' | grep -ivE '^export [a-z_]*(find_links|cache_dir|_cert)=' || true
  if [ -s "$secrets/certificates" ]; then
    for name in SSL_CERT_FILE PIP_CERT REQUESTS_CA_BUNDLE; do echo "export $name=/run/secrets/certificates"; done
  fi
} >"$secrets/packages"

set -- --secret "id=packages,src=$secrets/packages" --secret "id=certificates,src=$secrets/certificates" \
  --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || true)" --tag "$tag"
# Docker before version 23 uses BuildKit, which the secrets need, only if this is set.
export DOCKER_BUILDKIT=1
# The health check needs Docker's format. Chroot needs no rights that a container on another system may lack.
[ $engine = docker ] || set -- --format docker --isolation chroot --layers "$@"
# shellcheck disable=SC2086
$engine build "$@" ${IMAGE_ARGS-} . || exit 1 # 2 is for machines that cannot build any image
