#!/bin/sh
# logs.sh ID: the log of a job.
. "$(dirname "$0")/common.sh"
call "$url/v1/jobs/$1/logs"
