#!/usr/bin/env bash
# Prism, Beam's own small engine: a process of its own, which runs jobs as Flink's job server takes them.
#
#   prism.sh PORT   runs it until it is killed
#
# Needs Go; it is built once from Beam's Go module, and kept in ~/.cache.
set -euo pipefail
version=v2.77.0 # Beam's
home=${XDG_CACHE_HOME:-$HOME/.cache}/unetfx/prism-$version
[ -x "$home/prism" ] || GOBIN=$home go install "github.com/apache/beam/sdks/v2/go/cmd/prism@$version"
exec "$home/prism" --job_port "$1" --web_port 0
