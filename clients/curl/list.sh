#!/bin/sh
# list.sh [FILTER]: jobs, newest first; list.sh 'state=queued,running&project=default&limit=10'
. "$(dirname "$0")/common.sh"
call "$url/v1/jobs?${1:-limit=20}"; echo
