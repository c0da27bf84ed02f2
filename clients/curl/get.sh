#!/bin/sh
# get.sh ID: one job in full.
. "$(dirname "$0")/common.sh"
call "$url/v1/jobs/$1"; echo
