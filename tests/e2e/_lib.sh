# _lib.sh: what the end-to-end tests share: a daemon on a free port, workers, waiting on conditions; everything is stopped by pid at the end.
# Use: . "$TANDEM_ROOT/tests/e2e/_lib.sh" in a script that runs in an empty folder with TANDEM_BIN set (make check does both).
set -eu
: "${TANDEM_BIN:?run the tests with make check}" "${TANDEM_ROOT:?}"
unset TANDEM_SERVER TANDEM_TOKEN TANDEM_TOKEN_FILE
slow=${TANDEM_SAN:+10} # under sanitizers everything takes longer
started= workers=0 server=
. "$TANDEM_ROOT/tests/e2e/_kernels.sh"

skip() { echo "skipped: $*"; exit 77; }
fail() {
    echo "FAILED: $*"
    for log in *.log; do [ ! -f "$log" ] || { echo "--- $log"; tail -n 12 "$log"; }; done
    exit 1
}
for program in tandemd tandem-worker tandem-train; do [ -x "$TANDEM_BIN/$program" ] || skip "$program is not built"; done

stop_all() {
    status=$?
    for pid in $started; do kill "$pid" 2>/dev/null || true; done
    for pid in $started; do
        for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
        kill -9 "$pid" 2>/dev/null || true
    done
    exit "$status"
}
trap stop_all EXIT
trap 'exit 1' INT TERM

# wait_until SECONDS WHAT COMMAND...: until the command succeeds
wait_until() {
    seconds=$1 what=$2; shift 2
    left=$((seconds * 20 * ${slow:-1}))
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || fail "$what: not after $((seconds * ${slow:-1})) s"
        sleep 0.05
    done
}
# is_gone PID: no such process, or only its name in the table until somebody collects it
is_gone() { ! kill -0 "$1" 2>/dev/null || grep -qs '^State:.*Z' "/proc/$1/status"; }
now_ms() { date +%s%3N; }

# start_daemon FLAG...: sets $daemon and $server; called again it comes up on the same port and data
# Leases are long by default: a machine too busy to beat once a second must not look like a lost worker; tests of loss set lease_ms=1000.
start_daemon() {
    rm -f port
    "$TANDEM_BIN/tandemd" --data data --port "${port:-0}" --port-file port --lease-ms "${lease_ms:-10000}" --backoff-ms 100 \
        --poison-losses 50 "$@" >>tandemd.log 2>&1 &
    daemon=$!
    started="$started $daemon"
    wait_until 20 "tandemd answers" test -s port
    port=$(cat port)
    server=http://127.0.0.1:$port
}
# start_worker FLAG...: sets $worker (pid) and $worker_log
start_worker() {
    workers=$((workers + 1))
    worker_log=worker-$workers.log
    "$TANDEM_BIN/tandem-worker" --server "$server" --cache-dir cache --threads "${threads:-1}" --name "worker-$workers" "$@" >>"$worker_log" 2>&1 &
    worker=$!
    started="$started $worker"
}
# submit FILE: prints the id; the answer must be 201
submit() {
    id=$(curl -sS --retry 8 --retry-connrefused -H "Idempotency-Key: $(date +%s%N)" -d @"$1" "$server/v1/jobs" | tee submit.log | field_of id)
    [ -n "$id" ] || fail "not accepted: $(cat submit.log)" >&2
    echo "$id"
}
# field_of NAME: the first "NAME": value of the JSON on stdin, without quotes
field_of() { tr -d '\n' | sed "s/{\"/{\n\"/g; s/,\"/,\n\"/g" | sed -n "s/^\"$1\": *\"\{0,1\}\([^\",}]*\)\"\{0,1\}.*/\1/p" | head -n 1; }
job() { curl -fsS --retry 5 --retry-connrefused "$server/v1/jobs/$1"; }
field() { job "$1" | field_of "$2"; }
is_state() { [ "$(field "$1" state)" = "$2" ]; }
# wait_state ID STATE SECONDS; another end than the wanted one fails at once
wait_state() {
    left=$(($3 * 10 * ${slow:-1}))
    until state=$(field "$1" state); [ "$state" = "$2" ]; do
        case $state in succeeded | failed | cancelled | pruned) fail "job $1 is $state, not $2: $(job "$1" | grep -o '"failure":{[^}]*}')" ;; esac
        left=$((left - 1))
        [ "$left" -gt 0 ] || fail "job $1 is $state, not $2, after $(($3 * ${slow:-1})) s"
        sleep 0.1
    done
}
weights() { job "$1" | field_of weights_sha256; }
# rows ID: sha256 over every point of every result series, in the order of the names
rows() { curl -fsS "$server/v1/jobs/$1/metrics" | sed 's/{"name"/\n{"name"/g' | grep '"kind":"result"' | sed 's/[],]*$//' | LC_ALL=C sort | sha256sum | cut -c1-64; }
steps() { curl -fsS "$server/v1/jobs/$1/metrics?series=loss/ce" | sed 's/.*"steps":\[\([^]]*\)\].*/\1/' | tr , '\n' | grep -c .; }
attempts() { field "$1" attempt; }
# child_of LOG: pid of the tandem-train that this worker started last
child_of() { sed -n 's/.* child.started .* pid=\([0-9]*\).*/\1/p' "$1" | tail -n 1; }
# write_job FILE EPOCHS SEED: a job that trains for a few tenths of a second an epoch on a generated set
write_job() {
    cat >"$1" <<JOB
{"dataset": {"generate": {"kind": "lesions", "images": 12, "size": 64, "classes": 2, "foreground": 0.1, "noise": 0.1, "seed": 7}},
 "model": {"widths": [8, 16], "convs": 1},
 "loss": {"strategy": "scheduled", "alpha": {"schedule": "linear", "start": 1.0, "end": 0.0}},
 "training": {"epochs": $2, "steps_per_epoch": ${steps_per_epoch:-12}, "batch": 4, "patch": [64, 64], "checkpoint_epochs": 1},
 "validation": {"previews": 1}, "seed": $3, "max_attempts": 100,
 $(kernels_of encoder.0.conv.0 encoder.1.conv.0 decoder.0.conv.0)}
JOB
}
# a seeded random number below $1, the same on every machine
seed=${TANDEM_SEED:-1}
dice() { seed=$(((seed * 1103515245 + 12345) % 2147483648)); number=$((seed / 65536 % $1)); }
