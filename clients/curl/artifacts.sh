#!/bin/sh
# artifacts.sh ID [NAME]: the files of a job, or one of them into the current folder, its sha256 checked against the ETag.
. "$(dirname "$0")/common.sh"
if [ -z "${2:-}" ]; then
    call "$url/v1/jobs/$1/artifacts"; echo
    exit
fi
head=$(mktemp)
trap 'rm -f "$head"' EXIT
call -D "$head" -o "$2" "$url/v1/jobs/$1/artifacts/$2"
want=$(sed -n 's/^[Ee][Tt]ag: "\([0-9a-f]*\)".*/\1/p' "$head")
echo "$want  $2" | sha256sum -c
