#!/bin/bash
# A real S3 server for tests in some 12 seconds: Ceph's RADOS gateway on one monitor and one OSD that keeps its objects
# in memory. No systemd, no manager daemon, no root needed; several can run beside each other.
#   apt-get install -y --no-install-recommends radosgw ceph-mon ceph-osd
#   scripts/start-rgw.sh DIR PORT     start in the fresh folder DIR; S3 at http://127.0.0.1:PORT, path style
#   scripts/start-rgw.sh --stop DIR   stop, and wait until all processes are gone
# Environment: RGW_ACCESS_KEY_ID, RGW_SECRET_ACCESS_KEY (pockitytest, pockitytestsecret); RGW_PARENT_PID: stop by
# itself once this process is gone, so that a killed test run leaves nothing behind.
# Known of Ceph 16.2 (Debian 12): streamed bodies with a checksum trailer are refused (411), so S3_CHECKSUMS is
# when_required; of conditional puts only `If-None-Match: *` works; CompleteMultipartUpload answers an empty etag.
set -euo pipefail

# The processes of the folder $1; a pid file's number may be another's by now.
running() {
  local file pid
  for file in "$1"/run/*.pid; do
    [[ -s $file ]] && pid=$(cat "$file") || continue
    [[ $(cat "/proc/$pid/comm" 2>/dev/null) =~ ^(ceph-mon|ceph-osd|radosgw)$ ]] && echo "$pid"
  done
  return 0
}

stop() {
  local waited pids
  mapfile -t pids < <(running "$1")
  ((${#pids[@]})) || return 0
  kill "${pids[@]}" 2>/dev/null || true
  for ((waited = 0; waited < 20; waited++)); do
    [[ $(running "$1") ]] || return 0
    sleep .1
  done
  # What they hold is thrown away with them: no need to wait longer for a clean end.
  kill -9 "${pids[@]}" 2>/dev/null || true
  while [[ $(running "$1") ]]; do sleep .05; done
}

is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_pair() {
  local port
  while :; do
    port=$((20000 + (RANDOM % 5000) * 2))
    is_free "$port" && is_free $((port + 1)) && echo "$port" && return
  done
}

if [[ ${1:-} == --stop ]]; then
  stop "${2:?the folder given at the start}"
  exit 0
fi

mkdir -p "${1:?a fresh folder}"/{mon,osd,run,log}
dir=$(cd "$1" && pwd)
port=${2:?a port}
mon_port=$(free_pair)
mon_addresses="[v2:127.0.0.1:$mon_port,v1:127.0.0.1:$((mon_port + 1))]"
fsid=$(cat /proc/sys/kernel/random/uuid)
trap 'stop "$dir"; echo "the S3 server did not start; see $dir/log" >&2' ERR

export CEPH_CONF=$dir/ceph.conf
cat >"$CEPH_CONF" <<C
[global]
fsid = $fsid
mon host = $mon_addresses
public addr = 127.0.0.1
cluster addr = 127.0.0.1
run dir = $dir/run
keyring = $dir/keyring
admin socket = $dir/run/\$name.\$pid.asok
pid file = $dir/run/\$name.pid
log file = $dir/log/\$name.log
mon data = $dir/mon
osd data = $dir/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 5000
mon data avail warn = 1
mon data avail crit = 1
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:$port tcp_nodelay=1
rgw data = $dir/run
rgw thread pool size = 64
rgw gc obj min wait = 5
rgw gc processor period = 5
rgw gc processor max time = 5
rgw dns name = localhost
C

ceph-authtool --create-keyring "$dir/keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null
ceph-authtool "$dir/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' >/dev/null
ceph-authtool "$dir/keyring" --gen-key -n client.rgw --cap mon 'allow rwx' --cap osd 'allow rwx' >/dev/null
ceph-authtool "$dir/keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *' >/dev/null
monmaptool --create --clobber --fsid "$fsid" --addv a "$mon_addresses" "$dir/monmap" >/dev/null
ceph-mon --mkfs -i a --monmap "$dir/monmap" --keyring "$dir/keyring"
ceph-mon -i a
ceph auth import -i "$dir/keyring" 2>/dev/null
osd=$(cat /proc/sys/kernel/random/uuid)
ceph osd new "$osd" >/dev/null
ceph-osd -i 0 --mkfs --osd-uuid "$osd" --keyring "$dir/keyring" >/dev/null 2>&1
ceph-osd -i 0 >/dev/null 2>&1
for _ in $(seq 100); do
  ceph osd stat 2>/dev/null | grep -q '1 up' && break
  sleep .2
done
radosgw -n client.rgw
for _ in $(seq 200); do
  is_free "$port" || break
  sleep .2
done
if is_free "$port"; then false; fi
radosgw-admin -n client.rgw user create --uid main --display-name main \
  --access-key "${RGW_ACCESS_KEY_ID:-pockitytest}" --secret-key "${RGW_SECRET_ACCESS_KEY:-pockitytestsecret}" >/dev/null

if [[ -n ${RGW_PARENT_PID:-} ]]; then
  # shellcheck disable=SC2016 # expanded by the inner shell
  setsid bash -c 'while kill -0 "$1" 2>/dev/null; do sleep 1; done; exec bash "$2" --stop "$3"' _ \
    "$RGW_PARENT_PID" "$(cd "$(dirname "$0")" && pwd)/$(basename "$0")" "$dir" </dev/null >/dev/null 2>&1 &
fi
echo "S3 at http://127.0.0.1:$port"
