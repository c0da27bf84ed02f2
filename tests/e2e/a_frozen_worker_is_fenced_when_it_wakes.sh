# SIGSTOP for longer than the lease: another worker takes the job and finishes it; the woken one is refused, drops everything and goes on working.
lease_ms=1000
. "$TANDEM_ROOT/tests/e2e/_lib.sh"
start_daemon
write_job job.json 16 9
start_worker
frozen=$worker frozen_log=$worker_log
calm=$(submit job.json)
wait_state "$calm" succeeded 60
id=$(submit job.json)
wait_until 30 "a checkpoint of the second job" grep -qs "artifact.accepted job=$id" "$frozen_log"
child=$(child_of "$frozen_log")
kill -STOP "$frozen"
start_worker
wait_until 20 "the other worker has it" grep -qs "job.claimed job=$id attempt=2" "$worker_log"
wait_until 60 "the other worker is done" grep -qs "attempt.ended job=$id attempt=2 outcome=succeeded" "$worker_log"
kill -CONT "$frozen"
wait_until 20 "the woken one drops it" grep -qs "attempt.discarded job=$id attempt=1" "$frozen_log"
is_gone "$child" || fail "its training process lives on"
[ "$(field "$id" state)" = succeeded ] || fail "the job is $(field "$id" state)"
[ "$(weights "$id")" = "$(weights "$calm")" ] || fail "other weights"
[ "$(rows "$id")" = "$(rows "$calm")" ] || fail "other result rows"
kill "$worker"
wait "$worker" || fail "left with status $?"
next=$(submit job.json)
wait_state "$next" succeeded 60 # by the woken one
