#!/bin/sh
# common.sh: where the server is and how to ask it; sourced by the others.
# TANDEM_SERVER=http://host:8080   TANDEM_TOKEN=secret (kept out of argv: curl reads it from a pipe)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
url=${TANDEM_SERVER:-http://localhost:8080}
call() { # curl that says what the server says: a refusal's body goes to stderr, exit 22
    if [ -n "${TANDEM_TOKEN:-}" ]; then
        printf 'header = "Authorization: Bearer %s"\n' "$TANDEM_TOKEN" | curl -sS --fail-with-body -K - "$@" && return
    else
        curl -sS --fail-with-body "$@" && return
    fi
    status=$?
    echo >&2
    return $status
}
field() { # the first "NAME": value of the JSON on stdin; jq does it better where there is one
    grep -o "\"$1\": *[^,}]*" | head -n 1 | sed 's/^[^:]*: *//; s/^"//; s/"$//'
}
