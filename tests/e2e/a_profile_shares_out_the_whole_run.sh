#!/bin/sh
# tandem-train --profile: rows of kinds that add up to 100 %, rows of layers; without it nothing of the sort, and the same weights.
set -eu
. "$TANDEM_ROOT/tests/e2e/_tiny_job.sh"
EPOCHS=2 tiny_job profiled >job.json
"$train" job.json --out with --profile --threads 2 >said
"$train" job.json --out without --threads 2 >quiet
awk '/^  [a-z+ ]+ +-?[0-9.]+ +-?[0-9.]+ %/ {match($0, /-?[0-9.]+ %/); share = substr($0, RSTART, RLENGTH - 2)
         if ($1 == "all") all = share; else {sum += share; rows++}}
     END {if (rows < 20 || sum < 99.8 || sum > 100.2 || all != "100.00") {print "rows " rows ", sum " sum ", all " all; exit 1}}' said || { cat said; exit 1; }
for kind in 'conv forward' 'conv backward data' 'conv backward weights' 'norm+activation backward' head loss 'gradient tree' optimizer 'reading samples' validation checkpoint metrics; do
    grep -q "^  $kind  *[0-9.]* *[0-9.]* %" said || { echo "no row for $kind"; cat said; exit 1; }
done
grep -q '^profile: 12 steps, 36 images, 2 lanes' said
grep -q '^  decoder.0.conv.1  *[0-9.]* *[0-9.]* [a-z]' said || { cat said; exit 1; }
if grep -q profile quiet; then exit 1; fi
same "weights" "$("$train" hash with | cut -d' ' -f1)" "$("$train" hash without | cut -d' ' -f1)"
