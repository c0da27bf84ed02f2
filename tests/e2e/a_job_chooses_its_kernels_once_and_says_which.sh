#!/bin/sh
# Without kernels a run times them before step 1; with --tuning the next one need not; resolved.json repeats the run to the last bit.
set -eu
. "$TANDEM_ROOT/tests/e2e/_tiny_job.sh"
tiny_job tuned | sed 's/"kernels": {.*}\]}/"seed": 3/' >job.json
! grep -q kernels job.json
"$train" job.json --out first --threads 2 --tuning tuning.txt --events-fd 3 3>events >log 2>&1
for phase in staging tuning training; do grep -qs "\"phase\": *\"$phase\"" events || { echo "no phase $phase"; exit 1; }; done
tuned=$(grep -n '"tuning"' events | head -1 | cut -d: -f1) start=$(grep -n '"event": *"start"' events | head -1 | cut -d: -f1)
[ "$tuned" -lt "$start" ]
sed -n "${start}p" events | grep -qs '"kernels": *{"micro_batch"'
[ "$(wc -l <tuning.txt)" -gt 5 ] || { "$train" job.json --out ref --backend dnnl >/dev/null 2>&1 || exit 0; echo "nothing was kept"; exit 1; }
cp tuning.txt before
"$train" job.json --out second --threads 2 --tuning tuning.txt >second.log
cmp before tuning.txt
! grep -q 'cases timed' second.log
same kernels "$(tr -d ' \n' <first/resolved.json | grep -o '"kernels":.*')" "$(tr -d ' \n' <second/resolved.json | grep -o '"kernels":.*')"
"$train" second/resolved.json --out third --threads 1 >third.log
same weights "$("$train" hash second)" "$("$train" hash third)"
same weights "$("$train" hash first)" "$("$train" hash second)"
# kernels that keep some of the threads idle are taken, and said
sed 's/"micro_batch": *[0-9]*/"micro_batch": 3/' second/resolved.json >together.json
"$train" together.json --out fourth --threads 2 >fourth.log 2>&1
"$train" together.json --out fifth --threads 1 >fifth.log 2>&1
grep -qF 'kernels: micro-batches of 3 in a batch of 3 keep 1 of 2 threads busy, the others only help; a smaller kernels.micro_batch, or none, uses them all' fourth.log || { cat fourth.log; exit 1; }
! grep -qF 'the others only help' fifth.log
same weights "$("$train" hash fourth)" "$("$train" hash fifth)"
