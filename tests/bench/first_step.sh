#!/usr/bin/env bash
# first_step.sh: from the submit of an xs job to its first step, through the daemon and a waiting worker that has run one before.
# By the daemon's own clock: the events of the job (queued, running, first values of a step) and its at_ms.
set -euo pipefail
rounds=$([ -n "${QUICK:-}" ] && echo 2 || echo 9)
work=$(mktemp -d)
. "$(dirname "$0")/_service.sh"
trap 'stop_service; rm -rf "$work"' EXIT
start_service "$work" bench 1

job='{"dataset": {"generate": {"kind": "lesions", "images": 20, "size": 256, "seed": 1}}, "model": {"widths": [16, 32, 64, 128, 256], "down": "stride"},
      "loss": {"strategy": "constant", "alpha": 0.5, "activation": "softmax"}, "training": {"epochs": 1, "steps_per_epoch": 3, "batch": 16, "patch": [128, 128]}}'
for round in $(seq 0 "$rounds"); do
    id=$(curl -fsS -d "$job" "$url/v1/jobs" | jq -r .id)
    until state=$(curl -fsS "$url/v1/jobs/$id?wait=25" | jq -r .state); [[ $state =~ ^(succeeded|failed|cancelled)$ ]]; do :; done
    [ "$state" = succeeded ] || { tail -3 "$work/worker-1.log" >&2; exit 1; }
    [ "$round" = 0 ] && continue # the worker warms up
    curl -fsS -H 'Accept: application/json' "$url/v1/jobs/$id/events" >"$work/events"
    [ -z "${KEEP_EVENTS:-}" ] || cp "$work/events" "$KEEP_EVENTS"
    jq -r '.events as $e | $e[0].at_ms as $from | def at(f): ([$e[] | select(f)] | first | .at_ms) // $from | . - $from;
        [at(.data.state == "running"), at(.kind == "metrics")] | @tsv' "$work/events" >>"$work/times"
done
echo "## From submit to the first step (xs, batch 16, a worker that waits; ms since the submit, median of $rounds)"
echo
for column in 1:"claimed by the worker" 2:"first values of a step have arrived"; do
    cut -f"${column%%:*}" "$work/times" | sort -n | awk -v what="${column#*:}" '{v[NR] = $1} END {printf "- %s: %.0f (least %.0f, most %.0f)\n", what, v[int((NR + 1) / 2)], v[1], v[NR]}'
done
