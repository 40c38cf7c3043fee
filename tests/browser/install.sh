#!/bin/sh
# Makes sure that a Chromium is there for the browser tests; says so and goes on where none can be had: they then skip, loudly.
set -u
for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  echo "installing Chromium for the browser tests (apt-get install chromium)"
  if apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; then
    exit 0
  fi
fi
echo "No Chromium found: install it (Debian: apt-get install chromium) to run the browser tests; they are skipped." >&2
exit 0
