#!/bin/sh
# Makes sure that systemd-analyze is there for the tests of deploy/; says so and goes on where it can't be had: they then skip, loudly.
set -u
if command -v systemd-analyze >/dev/null 2>&1; then exit 0; fi
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  echo "installing systemd-analyze for the tests of deploy/ (apt-get install systemd)"
  if apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends systemd >/dev/null; then
    exit 0
  fi
fi
echo "No systemd-analyze found: install it (Debian: apt-get install systemd) to test the unit; its tests are skipped." >&2
exit 0
