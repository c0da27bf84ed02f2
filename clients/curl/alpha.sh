#!/bin/sh
# alpha.sh ALPHA [EPOCHS [STEPS_PER_EPOCH [EVERY_EPOCHS]]]: alpha before anything is queued: alpha.sh '{"schedule": "cosine", "start": 1, "end": 0}' 10
. "$(dirname "$0")/common.sh"
call -d "{\"alpha\": $1, \"epochs\": ${2:-15}, \"steps_per_epoch\": ${3:-20}, \"every_epochs\": ${4:-1}}" "$url/v1/alpha:preview"; echo
