#!/bin/sh
# Installs the programs that tests use besides Python packages: a browser for the pages, cron for the schedule,
# podman and debootstrap for the image, Maven, with Java, for Flink, g++ for a program with TensorFlow's loader, and Go.
# Then builds the Go programs in tests/go_programs.py. Without the right to install a program, this script prints a warning,
# and the tests that need the program are skipped.
set -eu
missing() { # command package
  command -v "$1" >/dev/null || PATH=$PATH:/usr/sbin:/usr/lib/podman command -v "$1" >/dev/null || printf '%s ' "$2"
}
wanted=$(missing crontab cron; missing debootstrap debootstrap; missing mvn maven; missing go golang-go; missing g++ g++)
# Podman's default runtime, crun, needs a newer kernel interface (cgroups v2 only) than runc.
wanted="$wanted$(missing podman podman; missing runc runc; missing catatonit catatonit; missing podman-compose podman-compose)"
wanted="$wanted$(missing netavark netavark; missing aardvark-dns aardvark-dns; missing iptables iptables)"
for name in chromium chromium-browser google-chrome; do
  command -v "$name" >/dev/null && browser=$name
done
[ "${browser-}" ] || wanted="$wanted chromium"
build_go_programs() { .venv/bin/python -m tests.go_programs || true; }
[ "$wanted" ] || { build_go_programs; exit 0; }
if [ "$(id -u)" = 0 ]; then as_root=; elif sudo -n true 2>/dev/null; then as_root="sudo -n"; else
  printf 'setup: no right to install %s: tests that need them are skipped\n' "$wanted" >&2
  build_go_programs
  exit 0
fi
printf 'setup: installing for tests: %s\n' "$wanted"
# shellcheck disable=SC2086
install() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $wanted; }
# The first attempt fails if the package lists are missing (in containers) or outdated.
{ install || { $as_root apt-get update && install; }; } >.venv/test_tools.log 2>&1 ||
  printf 'setup: not installed (see .venv/test_tools.log), so tests that need them are skipped: %s\n' "$wanted" >&2
build_go_programs
