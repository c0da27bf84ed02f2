#!/bin/sh
# alpha.sh ALPHA [EPOCHS]: alpha of every epoch, before anything is queued: alpha.sh '{"schedule": "cosine", "start": 1, "end": 0}' 10
. "$(dirname "$0")/common.sh"
call -d "{\"alpha\": $1, \"epochs\": ${2:-15}}" "$url/v1/alpha:preview"; echo
