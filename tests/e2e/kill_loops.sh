# kill -9 of child, agent and daemon at seeded random moments: every accepted job ends, with the weights and rows of the undisturbed run.
# TANDEM_KILLS=10 for the full version (make torture), TANDEM_SEED for other moments. Prints the table.
lease_ms=1000
. "$TANDEM_ROOT/tests/e2e/_lib.sh"
kills=${TANDEM_KILLS:-3}
[ -z "$slow" ] || kills=${TANDEM_KILLS:-1}
start_daemon
start_worker
if [ "$kills" -gt 3 ]; then write_job job.json 30 5; else write_job job.json 14 5; fi
began=$(now_ms)
calm=$(submit job.json)
wait_state "$calm" succeeded 60
calm_weights=$(weights "$calm") calm_rows=$(rows "$calm")
calm_ms=$(($(now_ms) - began))

kill_child() {
    child=$(child_of "$worker_log")
    kill -9 "$child" 2>/dev/null || return 1 # it had just ended: not a kill
}
kill_agent() {
    child=$(child_of "$worker_log")
    kill -0 "$child" 2>/dev/null || return 1 # a worker that trains nothing is no victim
    kill -9 "$worker"
    wait "$worker" 2>/dev/null || true
    wait_until 5 "the training dies with its agent" is_gone "$child"
    start_worker
}
kill_daemon() {
    kill -9 "$daemon"
    wait "$daemon" 2>/dev/null || true # its lock is free only when the kernel has taken it down
    start_daemon
}
kill_any() {
    dice 3
    case $number in 0) kill_child ;; 1) kill_agent ;; *) kill_daemon ;; esac
}
printf '%-8s %5s %5s %9s %7s %8s  %s\n' victim kills jobs attempts losses seconds "weights and rows"
printf '%-8s %5s %5s %9s %7s %8s  %s\n' nobody 0 1 1 0 "$((calm_ms / 1000))" "$(echo "$calm_weights" | cut -c1-12) $(echo "$calm_rows" | cut -c1-12)"
for victim in child agent daemon any; do
    done_kills=0 ids= id= began=$(now_ms)
    while [ "$done_kills" -lt "$kills" ]; do
        case $id in '') state=none ;; *) state=$(field "$id" state) ;; esac
        case $state in
        none | succeeded) id=$(submit job.json) ids="$ids $id" ;;
        failed | cancelled) fail "$victim: job $id is $state: $(job "$id" | grep -o '"failure":{[^}]*}')" ;;
        running)
            dice $((calm_ms * 3 / 4))
            sleep "$((number / 1000)).$(printf %03d $((number % 1000)))"
            if kill_$victim; then done_kills=$((done_kills + 1)); fi
            ;;
        *) sleep 0.05 ;;
        esac
    done
    jobs=0 total=0 losses=0
    for id in $ids; do
        wait_state "$id" succeeded 120
        jobs=$((jobs + 1)) total=$((total + $(attempts "$id"))) losses=$((losses + $(field "$id" losses)))
        [ "$(weights "$id")" = "$calm_weights" ] || fail "$victim: job $id has other weights: $(weights "$id"), undisturbed $calm_weights"
        [ "$(rows "$id")" = "$calm_rows" ] || fail "$victim: job $id has other result rows"
        [ "$(field "$id" nondeterministic)" = false ] || fail "$victim: job $id is flagged nondeterministic"
    done
    printf '%-8s %5s %5s %9s %7s %8s  %s\n' $victim "$done_kills" "$jobs" "$total" "$losses" "$((($(now_ms) - began) / 1000))" equal
done
