# Two jobs by curl, on an uploaded archive and on a path under --data-root, two workers: both end with models that can be downloaded.
. "$TANDEM_ROOT/tests/e2e/_lib.sh"
mkdir root
"$TANDEM_BIN/tandem-train" generate --out root/lesions >generate.log 2>&1 || fail "tandem-train generate"
tar -cf lesions.tar -C root lesions
start_daemon
start_worker --data-root root
first=$worker
start_worker --data-root root
curl -fsS -T lesions.tar "$server/v1/datasets/lesions" >put.json || fail "upload: $(cat put.json)"

write_job generated.json 6 1
sed 's/"dataset": {[^}]*}}/"dataset": "lesions"/' generated.json >uploaded.json
sed 's/"dataset": {[^}]*}}/"dataset": {"path": "lesions"}/' generated.json >path.json
one=$(submit uploaded.json)
two=$(submit path.json)
wait_state "$one" succeeded 60
wait_state "$two" succeeded 60
[ "$(weights "$one")" = "$(weights "$two")" ] || fail "the same data by two ways, but other weights"
[ "$(rows "$one")" = "$(rows "$two")" ] || fail "the same data by two ways, but other results"
[ "$(steps "$one")" = 72 ] || fail "72 steps were trained, $(steps "$one") reported"

curl -fsS "$server/v1/jobs/$one/artifacts/model.safetensors" -o model.safetensors
want=$(curl -fsS "$server/v1/jobs/$one/artifacts" | sed 's/{"name"/\n&/g' | grep '"model.safetensors"' | field_of sha256)
[ "$(sha256sum <model.safetensors | cut -c1-64)" = "$want" ] || fail "the model came back with other bytes"
for name in checkpoint-last checkpoint-best model.json curves.svg; do
    curl -fsS -o /dev/null "$server/v1/jobs/$one/artifacts/$name" || fail "no $name"
done
# both workers had one each, and both leave politely
for log in worker-1.log worker-2.log; do [ "$(grep -c 'job.claimed' $log)" = 1 ] || fail "$log: not one job each"; done
kill "$first" "$worker"
for pid in $first $worker; do wait "$pid" || fail "a worker left with status $?"; done
[ -z "$(ls cache/work | grep run-)" ] || fail "work folders remain"
