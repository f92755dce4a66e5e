#!/usr/bin/env bash
# Tries every operation of the OpenAPI document on a running server with Schemathesis: all its checks, all its phases,
# as a coordinator and as a resident, each on a demo neighbourhood of its own.
#
#     tests/contract/run.sh [SERVER]
#
# SERVER is the binary, target/debug/daybook if not given. CONTRACT_EXAMPLES says how many cases an operation gets in
# each phase, CONTRACT_SEED which ones (today's date if not given), CONTRACT_PORT where the server listens. With
# CONTRACT_DATABASE=postgres it is on the PostgreSQL of ../postgres/with-postgres.sh, under which this runs then.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

server=$(realpath "${1:-${CARGO_TARGET_DIR:-$root/target}/debug/daybook}")
examples=${CONTRACT_EXAMPLES:-10}
seed=${CONTRACT_SEED:-$(date -u +%Y%m%d)}
port=${CONTRACT_PORT:-18730}
database=${CONTRACT_DATABASE:-sqlite}
# Walks along links: many at any rate, since each goes along some of the links only.
walks=$((40 + examples))
tools=$root/target/tools/schemathesis
out=$root/target/contract/$database
failed=()
server_pid=

stop() {
  if [ -n "$server_pid" ]; then
    kill "$server_pid" 2>/dev/null || true
    wait "$server_pid" 2>/dev/null || true
    server_pid=
  fi
}
trap stop EXIT

# Starts a demo neighbourhood in a folder of its own, and waits for its tokens.
start() {
  local folder=$1
  rm -rf "$folder"
  mkdir -p "$folder"
  if [ "$database" = postgres ]; then
    DAYBOOK_DATABASE_URL=$("$root/tests/postgres/fresh.py" contract)
    export DAYBOOK_DATABASE_URL DAYBOOK_SECRET=the-secret-of-the-contract-test-is-none
  fi
  (cd "$folder" && exec "$server" demo --listen "127.0.0.1:$port" --public-url "$CONTRACT_URL") \
    >"$folder/server.log" 2>&1 &
  server_pid=$!
  for _ in $(seq 240); do
    if grep -q '^Ctrl-C' "$folder/server.log"; then
      return
    fi
    kill -0 "$server_pid" 2>/dev/null || break
    sleep 0.5
  done
  echo "contract: the server did not start:" >&2
  cat "$folder/server.log" >&2
  exit 1
}

token_of() {
  grep -A1 "^$1 " "$2/server.log" | grep -o 'dbp_[A-Za-z0-9_-]*'
}

try_as() {
  local role=$1 folder=$out/$1
  start "$folder"
  CONTRACT_TOKEN=$(token_of "$role" "$folder")
  CONTRACT_INVITER_TOKEN=$(token_of Coordinator "$folder")
  export CONTRACT_TOKEN CONTRACT_INVITER_TOKEN
  sed "s/^max-examples = .*/max-examples = $walks/" "$here/schemathesis.toml" >"$folder/schemathesis.toml"
  echo "── as $role, on $database: $examples examples, $walks walks, seed $seed"
  if ! (cd "$here" && PYTHONDONTWRITEBYTECODE=1 HYPOTHESIS_STORAGE_DIRECTORY=$out/hypothesis PYTHONPATH=$tools python3 -m schemathesis.cli \
    --config-file "$folder/schemathesis.toml" run "$CONTRACT_URL/v1/openapi.json" --phases examples,coverage,fuzzing,stateful \
    --max-examples "$examples" --seed "$seed" --no-color --report junit,json --report-dir "$folder/report"); then
    failed+=("$role")
  fi
  if ! kill -0 "$server_pid" 2>/dev/null; then
    echo "contract: the server is gone; its log is $folder/server.log" >&2
    failed+=("$role: server gone")
  fi
  if grep -n 'panicked' "$folder/server.log"; then
    failed+=("$role: a panic")
  fi
  stop
}

export CONTRACT_URL=http://127.0.0.1:$port
export CONTRACT_OPERATOR_TOKEN=operator-of-the-contract-test
export DAYBOOK_OPERATOR_TOKEN=$CONTRACT_OPERATOR_TOKEN

try_as Coordinator
try_as Resident

if [ ${#failed[@]} -gt 0 ]; then
  echo "contract: failed: ${failed[*]}; again with CONTRACT_SEED=$seed CONTRACT_EXAMPLES=$examples CONTRACT_DATABASE=$database" >&2
  exit 1
fi
