# Each script of clients/curl once, as the README shows them: data set, dry run, submit, watch, metrics, log, files, cancel, retry.
. "$TANDEM_ROOT/tests/e2e/_lib.sh"
curl=$TANDEM_ROOT/clients/curl
secret=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
printf 'me admin %s\n' "$(printf %s $secret | sha256sum | cut -d' ' -f1)" >tokens
chmod 600 tokens
start_daemon --token-file tokens
export TANDEM_SERVER="$server" TANDEM_TOKEN=$secret
start_worker

"$curl/dataset.sh" drawn '{"generate": {"images": 12, "size": 64, "foreground": 0.1}}' >out || fail "dataset.sh: $(cat out)"
"$TANDEM_BIN/tandem-train" generate --out folder >generate.log 2>&1 || fail "tandem-train generate"
"$curl/dataset.sh" packed folder >out || fail "dataset.sh: $(cat out)"
"$curl/dataset.sh" packed folder >again || fail "dataset.sh again: $(cat again)"
[ "$(field_of sha256 <out)" = "$(field_of sha256 <again)" ] || fail "the same folder packed twice gave other bytes"

write_job job.json 3 1
sed 's/"dataset": {[^}]*}}/"dataset": "drawn"/' job.json >drawn.json
"$curl/dry_run.sh" drawn.json | grep -q '"memory_bytes":[1-9]' || fail "dry_run.sh predicts no memory"
"$curl/alpha.sh" '{"schedule": "linear", "start": 1, "end": 0}' 4 | grep -q '"alpha":\[1.0,0.75' || fail "alpha.sh"
plateau='{"feedback": "plateau", "from": 1, "to": 0.5, "delta": -0.25, "patience": 1, "cooldown": 0}'
"$curl/alpha.sh" "$plateau" 4 | grep -q '"always_stalls":\[1.0,1.0,0.75,0.5\]' || fail "alpha.sh of a plateau"
"$curl/alpha.sh" "$plateau" 4 20 2 | grep -q '"always_stalls":\[1.0,1.0,1.0,1.0\]' || fail "alpha.sh of a plateau that is validated every second epoch"
"$curl/alpha.sh" '{"points": [[0, 0], [2, 1]], "unit": "step", "repeat": 2, "mirror": true}' 2 3 | grep -q '"steps":{"every_steps":1,"alpha":\[0.0,0.5,1.0,0.5,0.0,0.5\]}' || fail "alpha.sh by step"
"$curl/alpha.sh" '{"points": [[0, 1], [0.5, 0]], "unit": "fraction", "repeat": 0.5}' 4 | grep -q '"alpha":\[1.0,0.5,1.0,0.5\]' || fail "alpha.sh of a cycle"
id=$(KEY=one "$curl/submit.sh" drawn.json)
[ "$(KEY=one "$curl/submit.sh" drawn.json)" = "$id" ] || fail "the same key gave another job"
"$curl/watch.sh" "$id" >watch.log || fail "watch.sh ended with $?"
grep -q '^succeeded' watch.log || fail "watch.sh saw no end"
[ "$("$curl/metrics.sh" "$id" loss/ | head -n 1 | cut -c1-7)" = "x,step," ] || fail "metrics.sh"
"$curl/logs.sh" "$id" | grep -q . || fail "logs.sh"
"$curl/artifacts.sh" "$id" | grep -q model.safetensors || fail "artifacts.sh"
"$curl/artifacts.sh" "$id" model.safetensors | grep -q 'model.safetensors: OK' || fail "artifacts.sh: the digest"
"$curl/get.sh" "$id" | grep -q '"succeeded"' || fail "get.sh"
"$curl/list.sh" 'state=succeeded' | grep -q "$id" || fail "list.sh"
"$curl/workers.sh" | grep -q worker-1 || fail "workers.sh"
"$curl/events.sh" "$id" >events.log 2>&1 &
started="$started $!"
wait_until 5 "events.sh says how it ended" grep -q '"state":"succeeded"' events.log

sed 's/"dataset": "drawn"/"dataset": {"path": "nowhere"}/' drawn.json >path.json
waiting=$("$curl/submit.sh" path.json) # no worker has a --data-root: it waits
[ "$("$curl/cancel.sh" "$waiting")" = cancelled ] || fail "cancel.sh"
[ "$("$curl/retry.sh" "$waiting")" = queued ] || fail "retry.sh"
if "$curl/get.sh" nonsense >out 2>err; then fail "get.sh of nothing succeeded"; fi
grep -q not_found out || fail "a refusal is not shown: $(cat out err)"
if TANDEM_TOKEN=$(echo $secret | tr 0 1) "$curl/list.sh" >out 2>err; then fail "a wrong token was taken"; fi
