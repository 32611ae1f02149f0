#!/bin/sh
# Brings the browser that the tests of the report's pages use. Without the rights to install one, it says so, and
# those tests are skipped.
set -eu
for name in chromium chromium-browser google-chrome; do
  command -v "$name" >/dev/null && exit 0
done
if [ "$(id -u)" = 0 ]; then as_root=; elif sudo -n true 2>/dev/null; then as_root="sudo -n"; else
  printf 'setup: no Chromium, and no right to install it: tests in a browser are skipped (apt-get install chromium)\n' >&2
  exit 0
fi
printf 'setup: installing Chromium, for the tests of the pages\n'
install() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends chromium; }
# Package lists may be missing (containers) or old.
{ install || { $as_root apt-get update && install; }; } >.venv/browser.log 2>&1 ||
  printf 'setup: Chromium could not be installed (see .venv/browser.log): tests in a browser are skipped\n' >&2
