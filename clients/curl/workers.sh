#!/bin/sh
# workers.sh: who trains, and on what.
. "$(dirname "$0")/common.sh"
call "$url/v1/workers"; echo
