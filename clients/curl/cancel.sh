#!/bin/sh
# cancel.sh ID [GRACE_S]: stop a job; a running one gets the grace to save its checkpoint.
. "$(dirname "$0")/common.sh"
call -d "{\"grace_s\": ${2:-30}}" "$url/v1/jobs/$1:cancel" | field state
