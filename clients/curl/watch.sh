#!/bin/sh
# watch.sh ID: one line at every change until the job has ended; each call waits at the server until there is news.
. "$(dirname "$0")/common.sh"
version=0
while :; do
    job=$(call "$url/v1/jobs/$1?wait=25&after=$version")
    [ -n "$job" ] || continue
    version=$(printf %s "$job" | field version)
    state=$(printf %s "$job" | field state)
    progress=$(printf %s "$job" | sed 's/.*"progress":{\([^}]*\)}.*/\1/' | tr -d '"')
    echo "$state $progress"
    case $state in
    succeeded) exit 0 ;;
    failed | cancelled | pruned) exit 3 ;;
    esac
done
