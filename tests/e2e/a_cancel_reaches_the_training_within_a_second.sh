# A running job is cancelled by curl: the training process is gone and the job is `cancelled` soon, the worker takes the next one.
lease_ms=8000 # heartbeats every 2 s: only a parked one can bring the cancel sooner
. "$TANDEM_ROOT/tests/e2e/_lib.sh"
start_daemon
start_worker
write_job long.json 5000 1
write_job short.json 2 1
id=$(submit long.json)
wait_state "$id" running 20
wait_until 20 "a checkpoint" grep -qs 'name=checkpoint-last' "$worker_log"
child=$(child_of "$worker_log")
kill -0 "$child" || fail "no training process"
before=$(now_ms)
curl -fsS -X POST "$server/v1/jobs/$id:cancel" >cancel.json
wait_state "$id" cancelled 10
took=$(($(now_ms) - before))
is_gone "$child" || fail "the training process is still there"
echo "cancelled after $took ms"
[ -n "$slow" ] || [ "$took" -lt 1500 ] || fail "took $took ms"
next=$(submit short.json)
wait_state "$next" succeeded 30
