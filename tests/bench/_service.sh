# _service.sh: what the measurements through the service share: a daemon on a free port and its workers; each is stopped by its pid at the end.
# shellcheck shell=bash
# Use: source it in a bash script with set -e, TANDEM_BIN set or the root of the house the current folder; then start_service.
bin=${TANDEM_BIN:-$PWD/build/plain/bin}
pids=()

stop_service() { # workers first, the server last, each until it is gone
    for pid in $(printf '%s\n' "${pids[@]}" | tac); do kill "$pid" 2>/dev/null || continue; wait "$pid" 2>/dev/null || true; done
    pids=()
}
trap stop_service EXIT

# wait_for PID LOG COMMAND...: until the command succeeds; the log's end and exit 1 when the process is gone before
wait_for() {
    local pid=$1 log=$2; shift 2
    until "$@"; do
        kill -0 "$pid" 2>/dev/null || { tail -n 12 "$log" >&2; exit 1; }
        sleep 0.05
    done
}
is_known() { curl -fsS "$url/v1/workers" | grep "\"$1\"" >/dev/null; }

# start_service FOLDER NAME WORKERS FLAG...: sets $url; WORKERS workers called NAME-1, NAME-2 ..., each with the flags, wait for jobs.
# FOLDER, which must be there, gets the data (server), the workers' cache and the logs: tandemd.log, worker-1.log ...
start_service() {
    local folder=$1 name=$2 workers=$3 n; shift 3
    rm -f "$folder/port"
    "$bin/tandemd" --data "$folder/server" --port 0 --port-file "$folder/port" >/dev/null 2>"$folder/tandemd.log" & pids+=($!)
    wait_for $! "$folder/tandemd.log" test -s "$folder/port"
    url=http://127.0.0.1:$(cat "$folder/port")
    for n in $(seq "$workers"); do
        "$bin/tandem-worker" --server "$url" --name "$name-$n" --cache-dir "$folder/cache" "$@" 2>"$folder/worker-$n.log" & pids+=($!)
        wait_for $! "$folder/worker-$n.log" is_known "$name-$n"
    done
}
