#!/bin/sh
# dry_run.sh JOB.json: the job with every default filled in, its predicted memory, what is wrong with it; nothing is queued.
. "$(dirname "$0")/common.sh"
call -d @"$1" "$url/v1/jobs?dry_run=1"; echo
