#!/usr/bin/env bash
# Draws the secrets that docker-compose.yml hands to its containers, each once: those that are there stay.
# The files are readable for all, since each container reads its own as a user of its own; the folder is not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

umask 077
mkdir -p secrets
cd secrets

random_hex() {
  od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n'
}

# Writes the second argument to a file that is not there yet; complete or not at all.
keep() {
  [ ! -s "$1" ] || return 0
  printf '%s\n' "$2" >"$1.new"
  chmod 444 "$1.new"
  mv "$1.new" "$1"
  echo "made deploy/secrets/$1"
}

keep postgres_password "$(random_hex)"
keep database_url "postgres://daybook:$(cat postgres_password)@postgres/daybook"
keep seal "$(random_hex)"
keep operator_token "$(random_hex)"
