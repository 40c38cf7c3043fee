#!/bin/sh
# Starts deploy/humhub-bridge.service by a systemd of its own, and looks at what becomes of it: `make unit`.
#
# A container (systemd-nspawn) lies over this machine's files, whose own are not touched; the bridge is installed in it as
# deploy/README.md says, with its example configuration on loopback addresses. Needed: root, Debian's systemd-container and
# python3 3.11 or later, and pip's way to its packages.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
if [ "${1:-}" != inside ]; then
  [ "$(id -u)" = 0 ] || { echo "make unit needs root, for a container with a systemd in it." >&2; exit 2; }
  if ! command -v systemd-nspawn >/dev/null 2>&1; then
    echo "installing systemd-nspawn (apt-get install systemd-container)"
    apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends systemd-container >/dev/null
  fi
  exec unshare --mount sh "$0" inside
fi

# In a mount namespace of our own: what is mounted here ends with it.
mount --make-rprivate /
work=$(mktemp -d)
trap 'umount --lazy "$work/root" "$work"; rmdir "$work"' EXIT
mount -t tmpfs tmpfs "$work"
mkdir "$work/upper" "$work/work" "$work/root" "$work/probe" "$work/source"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" "$work/root"
root=$work/root
rm -rf "$root"/etc/systemd/system/*.wants
: > "$root/etc/machine-id"

echo "installing the bridge in the container"
/usr/bin/python3 -m venv --without-pip "$root/opt/humhub-bridge"
cp -r "$here/bridge" "$here/pyproject.toml" "$here/README.md" "$here/LICENSE" "$work/source"
"$here/.venv/bin/python" -m pip --disable-pip-version-check wheel --quiet --no-deps --no-build-isolation --wheel-dir "$work" "$work/source"
pip="$here/.venv/bin/python -m pip --disable-pip-version-check --python $root/opt/humhub-bridge/bin/python install --quiet"
$pip --only-binary :all: --require-hashes -r "$here/requirements/production.lock"
$pip --no-deps --no-index "$work"/*.whl
# A script begins with the path that its interpreter had when it was installed.
sed -i "1s#$root##" "$root/opt/humhub-bridge/bin/humhub-bridge"
install -d "$root/etc/humhub-bridge" && install -d -m 700 "$root/etc/humhub-bridge/secrets"
sed 's#10\.0\.[12]\.1:#127.0.0.1:#' "$here/deploy/systemd/bridge.yaml" > "$root/etc/humhub-bridge/bridge.yaml"
cp "$here/deploy/systemd/environment" "$root/etc/humhub-bridge/"
for name in humhub-jwt docs-jwt; do
  openssl rand -hex 32 | install -m 600 /dev/stdin "$root/etc/humhub-bridge/secrets/$name"
done
cp "$here/deploy/humhub-bridge.service" "$root/etc/systemd/system/"
cat > "$root/etc/systemd/system/probe.service" <<'UNIT'
[Service]
Type=oneshot
ExecStart=/bin/sh /probe/probe.sh
ExecStopPost=/bin/systemctl exit 0
UNIT
cat > "$work/probe/probe.sh" <<'PROBE'
exec > /probe/said 2>&1
unit=humhub-bridge
pid() { systemctl show --property MainPID --value $unit; }
is() { if [ "$2" = "$3" ]; then echo "ok      $1: $2"; else echo "WRONG   $1: $2, not $3"; fi; }
status() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$(pid)/status"; }
alive() { /usr/bin/python3 -c 'import urllib.request as u; print(u.urlopen("http://127.0.0.1:8083/livez", timeout=4).status)' 2>/dev/null; }
until_alive() { for _ in 1 2 3 4 5 6 7 8 9 10; do alive >/dev/null && break; sleep 1; done; alive; }

systemctl start $unit
is "it answers" "$(until_alive)" 200
is "no capability" "$(status CapBnd)" 0000000000000000
is "no new privileges" "$(status NoNewPrivs)" 1
is "system calls are filtered" "$(status Seccomp)" 2
is "not root" "$([ "$(status Uid | cut -f1)" -ge 1000 ] && echo yes)" yes
is "its state is its own" "$(stat -c '%U %a' /var/lib/private/$unit/secret)" "$unit 600"
is "its secrets are out of sight" "$(nsenter -t "$(pid)" -m ls /etc/$unit/secrets 2>&1 | grep -c -e jwt)" 0
systemctl reload $unit
is "a reload leaves it be" "$(systemctl is-active $unit) $(until_alive)" "active 200"
kill -KILL "$(pid)"
sleep 3
is "killed, it comes back" "$(until_alive), restarts: $(systemctl show --property NRestarts --value $unit)" "200, restarts: 1"
systemctl stop $unit
is "it ends well" "$(systemctl show --property Result --value $unit)" success
grep -q . /probe/said || echo "WRONG   nothing was seen"
journalctl --unit $unit --output cat --no-pager > /probe/journal
PROBE

echo "starting it by systemd"
timeout --kill-after=5 120 systemd-nspawn --quiet --directory="$root" --private-network --register=no --keep-unit \
  --bind="$work/probe:/probe" /usr/lib/systemd/systemd --unit=probe.service --show-status=false </dev/null >/dev/null 2>&1 || true
cat "$work/probe/said" 2>/dev/null || { echo "WRONG   the container did not start"; exit 1; }
if grep -q WRONG "$work/probe/said"; then
  cat "$work/probe/journal"
  exit 1
fi
