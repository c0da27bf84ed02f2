#!/bin/sh
# Kills tandem-train with SIGKILL at random moments, goes on from its checkpoint each time, on another number of threads, until
# it is done: the weights and the table of every epoch are those of a run that nobody disturbed.
set -eu
. "$TANDEM_ROOT/tests/e2e/_tiny_job.sh"
export EPOCHS=12
tiny_job killed '"loss": {"strategy": "separate_optimizers", "optimizers": {"mode": "alternating"}}' >job.json
"$train" job.json --out whole --threads 1 >whole.log
kills=0 round=0 code=1
seed=$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')
while [ "$code" -ne 0 ]; do
    round=$((round + 1))
    [ "$round" -le 60 ] || { echo "never done (seed $seed)"; exit 1; }
    resume=''
    [ ! -e cut/checkpoint-last ] || resume='--resume cut/checkpoint-last'
    "$train" job.json --out cut --threads $((1 + round % 3)) $resume --events-fd 3 3>events >cut.log 2>&1 &
    child=$!
    if [ "$kills" -lt 6 ]; then
        seed=$(((seed * 25173 + 13849) % 65536)) # after so many checkpoints of this start, and up to 60 ms more
        while [ "$(grep -c '"checkpoint"' events)" -le $((seed % 5)) ] && kill -0 "$child" 2>/dev/null; do sleep 0.01; done
        sleep "$(awk "BEGIN { print $seed / 65536 * 0.06 }")"
        ! kill -9 "$child" 2>/dev/null || kills=$((kills + 1))
    fi
    code=0
    wait "$child" || code=$?
    [ "$code" -eq 0 ] || [ "$code" -eq 137 ] || { cat cut.log; exit 1; }
done
[ "$kills" -gt 0 ]
same "weights (after $kills kills)" "$("$train" hash whole)" "$("$train" hash cut)"
same "verdict over the gradients" "$(jq -S .verdict whole/result.json)" "$(jq -S .verdict cut/result.json)"
cmp whole/curves.csv cut/curves.csv
cmp whole/model.safetensors cut/model.safetensors
echo "$kills kills, $round starts"
