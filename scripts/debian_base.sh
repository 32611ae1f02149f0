#!/bin/sh
# Makes the base image of the Dockerfile from Debian's packages, where no image registry can be reached. scripts/image.sh
# calls it: debian_base.sh ENGINE debian:RELEASE-slim. It needs root and debootstrap, and uses the apt sources of this machine.
set -eu
engine=$1 image=$2
release=${image#debian:}
release=${release%-slim}
fail() { echo "make image: the base $image cannot be pulled, and cannot be made here: $*" >&2; exit 2; }
[ "$(id -u)" = 0 ] || fail "this needs root"
command -v debootstrap >/dev/null || PATH=$PATH:/usr/sbin command -v debootstrap >/dev/null ||
  fail "this needs debootstrap (apt-get install debootstrap)"
root=$(mktemp -d)
trap 'rm -rf "$root" "$root.log"' EXIT
for mirror in $(apt-get --print-uris update | sed -n "s|^'\(.*\)/dists/.*/InRelease'.*|\1|p" | sort -u); do
  rm -rf "${root:?}"/*
  if PATH=$PATH:/usr/sbin debootstrap --variant=minbase "$release" "$root" "$mirror" >"$root.log" 2>&1; then made=true; break; fi
done
[ "${made-}" ] || fail "no mirror of this machine has Debian $release: $(tail -n 1 "$root.log")"
# The official image has no documentation and translations either.
tar --create --directory "$root" --exclude=./dev/* --exclude=./usr/share/doc/* --exclude=./usr/share/locale/* \
  --exclude=./usr/share/man/* --exclude=./var/cache/apt/* --exclude=./var/lib/apt/lists/* . |
  "$engine" import --change 'CMD ["bash"]' - "docker.io/library/$image"
