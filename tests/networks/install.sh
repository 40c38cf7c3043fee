#!/bin/sh
# Makes sure that nginx, Caddy and HAProxy are there for the tests of fronts; says so and goes on where they can't be had:
# the tests of what is missing then skip, loudly. What it installs is neither started nor enabled: the tests start their own.
set -u
PATH="$PATH:/usr/sbin:/sbin"
missing=""
for name in nginx caddy haproxy; do
  command -v "$name" >/dev/null 2>&1 || missing="$missing $name"
done
[ -n "$missing" ] || exit 0
policy=/usr/sbin/policy-rc.d
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  echo "installing fronts for the tests (apt-get install$missing)"
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT INT TERM
  fi
  apt-get update -qq >/dev/null
  for name in $missing; do
    # One by one: a release without one of them still has the others.
    if DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$name" >/dev/null; then
      if command -v systemctl >/dev/null 2>&1; then systemctl disable "$name" >/dev/null 2>&1 || true; fi
    else
      echo "$name could not be installed." >&2
    fi
  done
fi
for name in nginx caddy haproxy; do
  command -v "$name" >/dev/null 2>&1 ||
    echo "No $name found: install it (Debian: apt-get install $name) to test the bridge behind it; those tests are skipped." >&2
done
exit 0
