#!/bin/sh
# TERM: the step is finished, a checkpoint written, status 75; going on from it leads to the weights of an undisturbed run.
set -eu
. "$TANDEM_ROOT/tests/e2e/_tiny_job.sh"
EPOCHS=400 CHECKPOINT_S=1000 tiny_job stopped >long.json
"$train" long.json --out cut --events-fd 3 3>events >log 2>&1 &
child=$!
until grep -qs '"loss/dice"' events 2>/dev/null; do kill -0 "$child"; sleep 0.02; done
kill -TERM "$child"
code=0
wait "$child" || code=$?
same "exit status" 75 "$code"
tail -1 events | grep -qs '"event":"checkpoint"' || tail -1 events | grep -q '"event": "checkpoint"'
for event in start phase metric progress checkpoint; do grep -qs "\"event\": *\"$event\"" events || { echo "no $event event"; exit 1; }; done
first=$("$train" hash cut)
"$train" long.json --out cut --resume cut/checkpoint-last --events-fd 3 3>more >log 2>&1 &
child=$!
until grep -qs '"loss/dice"' more 2>/dev/null; do kill -0 "$child"; sleep 0.02; done
kill -TERM "$child"
wait "$child" || code=$?
same "exit status" 75 "$code"
[ "$first" != "$("$train" hash cut)" ] || { echo "it did not go on"; exit 1; }
