#!/usr/bin/env bash
# parity: through curl, tandemd and two workers, trains the real sets with the four strategies and three seeds at the settings of
# the PyTorch reference, and holds the mean best-epoch validation Dice against its figures minus 0.02.
# usage: tests/bench/parity.sh [SET...]     SETs: isbi2012 chasedb1     SEEDS="1 2 3"   STRATEGIES="constant linear simultaneous alternating"   OUT=folder   EPOCHS=15   EVERY=1 (epochs between validations)
#        KERNELS='{"micro_batch": 1, "layers": []}' (direct throughout; without, each worker tunes)
# Data: TANDEM_DATA, else ../shared/data. Prints a Markdown table; exit 1 when a mean is below its bar.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/bench/_service.sh
. tests/bench/_parity.sh
top=${TANDEM_DATA:-../shared/data}
out=${OUT:-/tmp/tandem-parity}
seeds=${SEEDS:-1 2 3} epochs=${EPOCHS:-15} every=${EVERY:-1} kernels=${KERNELS:-null}
sets=("$@"); [ ${#sets[@]} -gt 0 ] || sets=(isbi2012 chasedb1)
for set in "${sets[@]}"; do [ -d "$top/$set" ] || { echo "parity: no data set $top/$set (set TANDEM_DATA)" >&2; exit 2; }; done
rm -rf "$out"; mkdir -p "$out"
start_service "$out" parity 2 --threads 1

strategies=${STRATEGIES:-constant linear simultaneous alternating}
for set in "${sets[@]}"; do
    tar -C "$top/$set" -cf "$out/$set.tar" .
    curl -fsS -T "$out/$set.tar" "$url/v1/datasets/$set" >/dev/null
    for seed in $seeds; do
        for strategy in $strategies; do
            parity_job "$set" "$strategy" "$seed" "$epochs" "$every" "$kernels" |
                curl -fsS -d @- "$url/v1/jobs" | jq -r --arg set "$set" --arg strategy "$strategy" --argjson seed "$seed" \
                '[.id, $set, $strategy, $seed] | @tsv' >>"$out/jobs.tsv"
        done
    done
done

while read -r id set strategy seed; do
    until state=$(curl -fsS "$url/v1/jobs/$id?wait=25" | jq -r .state); [[ $state =~ ^(succeeded|failed|cancelled)$ ]]; do :; done
    [ "$state" = succeeded ] || { curl -fsS "$url/v1/jobs/$id" | jq -c '{id, state, failure}' >&2; exit 1; }
    curl -fsS "$url/v1/jobs/$id/metrics?series=val/,time/epoch_s" >"$out/$id.json"
    # best epoch by val/dice, the classes at that epoch, the last epoch, seconds of the run
    jq -r --arg set "$set" --arg strategy "$strategy" --arg seed "$seed" '(.series | map({(.name): .values}) | add) as $s
        | $s["val/dice"] as $d | ($d | index(max)) as $at
        | [$set, $strategy, $seed, $d[$at], $s["val/dice/0"][$at], $s["val/dice/1"][$at], $d[-1], ($s["time/epoch_s"] | add)]
        | map(if type == "number" then . * 10000 | round / 10000 else . end) | @tsv' "$out/$id.json" >>"$out/results.tsv"
    tail -1 "$out/results.tsv" >&2
done <"$out/jobs.tsv"

echo "| set | strategy | best val Dice, seeds | mean | reference | class 0 mean (reference) | class 1 mean (reference) | last epoch mean | s per run |"
echo "|---|---|---|---|---|---|---|---|---|"
awk -F'\t' 'NR == FNR {if ($0 !~ /^#/) {ref[$1, $2] = $3; r0[$1, $2] = $4; r1[$1, $2] = $5}; next}
    {k = $1 SUBSEP $2; if (!(k in n)) order[++count] = k; n[k]++; seeds[k] = seeds[k] (n[k] > 1 ? ", " : "") $4
     best[k] += $4; c0[k] += $5; c1[k] += $6; last[k] += $7; s[k] += $8}
    END {for (i = 1; i <= count; i++) {k = order[i]; split(k, w, SUBSEP); m = n[k]
        low = best[k] / m < ref[k] - 0.02 || (w[1] == "isbi2012" && (c0[k] / m < r0[k] - 0.02 || c1[k] / m < r1[k] - 0.02))
        printf "| %s | %s | %s | %.4f%s | %.4f | %.4f (%.4f) | %.4f (%.4f) | %.4f | %.0f |\n", w[1], w[2], seeds[k], best[k] / m, low ? " BELOW" : "", ref[k],
            c0[k] / m, r0[k], c1[k] / m, r1[k], last[k] / m, s[k] / m; bad += low}
        exit bad > 0}' tests/vectors/reference_results.tsv "$out/results.tsv"
