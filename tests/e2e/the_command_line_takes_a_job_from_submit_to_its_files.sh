#!/bin/sh
# A person with `tandem`: checks and pushes a data set, submits, watches, fetches; cancels; every exit code as promised.
set -eu
bin=${TANDEM_BIN:?} examples=$TANDEM_ROOT/schema/examples
unset TANDEM_TOKEN TANDEM_SERVER
"$bin/tandemd" --data server --listen 127.0.0.1 --port 0 --port-file port 2>tandemd.log & daemon=$!
"$bin/tandem-train" generate --out set --seed 7 >/dev/null
trap 'kill $daemon ${worker:-} 2>/dev/null || true; wait' EXIT
for _ in $(seq 200); do [ -s port ] && break; sleep 0.05; done
export TANDEM_SERVER=http://127.0.0.1:$(cat port)
is() { # is WANT COMMAND...: the exit code
    want=$1; shift
    got=0; "$@" >out 2>err || got=$?
    [ "$got" = "$want" ] || { echo "$*: exit $got, not $want"; cat out err tandemd.log; exit 1; }
}
has() { grep -qs -- "$1" out || { echo "no \"$1\" in:"; cat out; exit 1; }; }

is 0 "$bin/tandem" dataset check set
is 0 "$bin/tandem" dataset push mine set
is 0 "$bin/tandem" dataset push mine set; has 'there already'
is 0 "$bin/tandem" dataset ls; has '^mine '
is 1 "$bin/tandem" submit "$examples/constant.json" --set dataset=mien
grep -qs mine err || { cat err; exit 1; }

# nobody works yet: a job waits, says why, and can be cancelled
is 0 "$bin/tandem" -o name submit "$examples/constant.json" --set dataset=mine
waiting=$(cat out)
is 124 "$bin/tandem" watch "$waiting" --timeout 0.3; has queued
is 0 "$bin/tandem" cancel "$waiting" --wait
is 7 "$bin/tandem" watch "$waiting"
is 5 "$bin/tandem" retry 01920000-0000-7000-8000-000000000000

"$bin/tandem-worker" --server "$TANDEM_SERVER" --name one --threads 1 --cache-dir cache 2>worker.log & worker=$!
is 0 "$bin/tandem" submit "$examples/separate_alternating.json" --set dataset=mine --set training.epochs=2 --set training.steps_per_epoch=2 --watch
has succeeded; has "In 4 compared steps the gradients"
id=$(cut -d' ' -f1 out | head -1)
is 0 "$bin/tandem" get "$id"; has 'val/dice'; has '^gradients  In 4 compared steps'; has 'HD95  *ASSD  *ECE'; has '^foreground  *0'
is 0 "$bin/tandem" metrics "$id" -o csv; has 'loss/dice'
is 0 "$bin/tandem" logs "$id" --follow; has 'attempt 1'
is 0 "$bin/tandem" artifact get "$id" --all --to got
[ -s got/model.safetensors ] && [ -s got/model.json ] || { ls -l got; exit 1; }
is 0 "$bin/tandem" ls --state succeeded -o name; has "$id"
is 6 "$bin/tandem" retry "$id"
is 0 "$bin/tandem" worker ls; has '^one '
# a job that must fail: its learning rate blows up, or it ends; either way the exit code says which
is 3 "$bin/tandem" submit "$examples/constant.json" --set dataset=mine --set optimizer.lr=1e30 --set training.epochs=2 --wait
