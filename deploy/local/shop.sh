# What run, drill and compare share: a folder, the servers in it, the shop on them, and an end whatever happens.
# Sourced, never run. MALLCTL names a program that is already built; MALL_KEEP=1 keeps the folder.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
say() { printf '\n== %s ==\n' "$*"; }

if [ -z "${MALLCTL:-}" ]; then
  say "building mallctl"
  (cd "$here/../.." && cargo build --release --locked --quiet)
  MALLCTL="$here/../../target/release/mallctl"
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/mall-servers.XXXXXX")
servers="$work/servers"
export MALL_STATE="$work/state"

finish() {
  local exit=$?
  trap - EXIT
  "$MALLCTL" down --all --purge >/dev/null 2>&1 || true
  "$here/servers" stop "$servers" || true
  if [ "$exit" = 0 ] && [ -z "${MALL_KEEP:-}" ]; then rm -rf "$work"; else echo "everything that was written stays in $work"; fi
  exit "$exit"
}
trap finish EXIT
trap 'exit 130' INT TERM

# Starts MariaDB, Redis and etcd, then nginx for three APIs that are still to come, on ports that are free now.
start_servers() {
  "$here/servers" start "$servers" >/dev/null
  local ports; ports=$("$here/servers" ports "$servers" user-api order-api pay-api)
  api_ports=${ports// /,}
  # shellcheck disable=SC2086
  set -- $ports
  "$here/servers" nginx "$servers" "127.0.0.1:$1" "127.0.0.1:$2" "127.0.0.1:$3" >/dev/null
  eval "$("$here/servers" env "$servers")"
}

# The shop on the servers: three APIs behind nginx. More arguments go to `mallctl up`.
up_on_servers() {
  "$MALLCTL" up -d --isolated --store "$MALL_TEST_MYSQL/mall" --cache "$MALL_TEST_REDIS" --registry "etcd://$MALL_TEST_ETCD" \
    --apis 3 --api-ports "$api_ports" --edge "$MALL_EDGE" "$@"
}
