#!/bin/sh
# events.sh [ID] [AFTER]: what happens, as it happens (server-sent events), of one job or of all; after an event's id, without gap or double.
. "$(dirname "$0")/common.sh"
if [ -n "${1:-}" ]; then path=/v1/jobs/$1/events; else path=/v1/events; fi
call -N -H 'Accept: text/event-stream' ${2:+-H "Last-Event-ID: $2"} "$url$path"
