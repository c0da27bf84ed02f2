#!/bin/sh
# retry.sh ID [start]: queue a failed or cancelled job again, from its last checkpoint or from the start.
. "$(dirname "$0")/common.sh"
call -d "{\"from\": \"${2:-checkpoint}\"}" "$url/v1/jobs/$1:retry" | field state
