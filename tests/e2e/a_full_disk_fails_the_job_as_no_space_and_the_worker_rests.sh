# A worker whose disk is full (here: files may not grow past 32 KiB) fails the job as no_space, rests, and harms nothing: retried elsewhere,
# the job comes to the weights of an undisturbed run. A second one is too small for the archive already.
. "$TANDEM_ROOT/tests/e2e/_lib.sh"
start_daemon
write_job job.json 6 4
start_small() { # start_small BLOCKS_OF_512
    workers=$((workers + 1)) worker_log=worker-$workers.log
    (ulimit -f "$1" && exec "$TANDEM_BIN/tandem-worker" --server "$server" --cache-dir "small-$1" --threads 1 >>"$worker_log" 2>&1) &
    worker=$!
    started="$started $worker"
}
start_small 64
id=$(submit job.json)
is_failed() { [ "$(field "$1" state)" = failed ]; }
wait_until 30 "the job fails" is_failed "$id"
job "$id" | grep -q '"class":"no_space"' || fail "not no_space: $(job "$id" | grep -o '"failure":{[^}]*}')"
wait_until 10 "the worker rests" grep -qs worker.resting "$worker_log"
kill "$worker"
wait "$worker" || fail "the small worker left with status $?"

start_worker
healthy=$worker
curl -fsS -X POST "$server/v1/jobs/$id:retry" >retry.json || fail "retry"
wait_state "$id" succeeded 60
calm=$(submit job.json)
wait_state "$calm" succeeded 60
[ "$(weights "$id")" = "$(weights "$calm")" ] || fail "other weights after the full disk"
kill "$healthy"
wait "$healthy" || fail "the healthy worker left with status $?"

mkdir root
"$TANDEM_BIN/tandem-train" generate --out root/lesions >generate.log 2>&1
tar -cf lesions.tar -C root lesions
curl -fsS -T lesions.tar "$server/v1/datasets/lesions" >put.json
sed 's/"dataset": {[^}]*}}/"dataset": "lesions"/' job.json >uploaded.json
start_small 32
id=$(submit uploaded.json)
wait_until 30 "the second job fails" is_failed "$id"
job "$id" | grep -q '"class":"no_space"' || fail "not no_space: $(job "$id" | grep -o '"failure":{[^}]*}')"
[ -z "$(ls small-32/blobs | grep -v 'lock$')" ] || fail "half an archive remains: $(ls small-32/blobs)"
