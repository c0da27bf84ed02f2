#!/bin/sh
# submit.sh [JOB.json]: submit a job; prints its id. The same key gives the same job, so that a lost answer costs nothing.
. "$(dirname "$0")/common.sh"
job=${1:-$here/../../schema/examples/constant.json}
key=${KEY:-$(date +%s)-$$}
call -H "Idempotency-Key: $key" -d @"$job" "$url/v1/jobs" | field id
