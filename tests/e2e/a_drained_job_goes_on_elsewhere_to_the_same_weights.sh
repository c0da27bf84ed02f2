# TERM to a worker: it uploads its checkpoint, releases the job without cost and exits 0; another worker finishes with the same weights and rows.
. "$TANDEM_ROOT/tests/e2e/_lib.sh"
start_daemon
write_job job.json 24 3
threads=2
start_worker
calm=$(submit job.json)
wait_state "$calm" succeeded 60
kill "$worker"
wait "$worker" || fail "an idle worker left with status $?"

threads=1
start_worker
id=$(submit job.json)
for round in 1 2 3; do
    wait_until 30 "training in round $round" grep -qs 'name=checkpoint-last' "$worker_log"
    kill "$worker"
    wait "$worker" || fail "a drained worker left with status $?"
    grep -qs 'outcome=drain' "$worker_log" || fail "round $round: not released"
    [ "$(field "$id" state)" = queued ] || fail "after the release the job is $(field "$id" state)"
    start_worker
done
wait_state "$id" succeeded 60
[ "$(attempts "$id")" = 4 ] || fail "$(attempts "$id") attempts, 4 expected"
[ "$(field "$id" losses)" = 0 ] || fail "a drain counted as a loss"
[ "$(weights "$id")" = "$(weights "$calm")" ] || fail "other weights than the undisturbed run: $(weights "$id") $(weights "$calm")"
[ "$(rows "$id")" = "$(rows "$calm")" ] || fail "other result rows than the undisturbed run"
[ "$(field "$id" nondeterministic)" = false ] || fail "flagged nondeterministic"
