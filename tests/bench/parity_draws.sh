#!/usr/bin/env bash
# parity_draws: the jobs of parity.sh from PyTorch's own first weights and crops (replay_draw.py, the job's seed) in place of ours: what
# is left between us and the reference is then the training itself. Without the service: bench_replay trains.
# usage: tests/bench/parity_draws.sh [SET...]     SETs: chasedb1 isbi2012     SEEDS="1 2 3"   STRATEGIES="constant linear simultaneous alternating"   EPOCHS=15
# TANDEM_PYTHON: a Python with torch and PIL. Data: TANDEM_DATA, else ../shared/data. Prints a Markdown table.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/bench/_parity.sh
bin=${TANDEM_BIN:-$PWD/build/plain/bin} python=${TANDEM_PYTHON:-/usr/bin/python3} top=${TANDEM_DATA:-../shared/data} epochs=${EPOCHS:-15}
sets=("$@"); [ ${#sets[@]} -gt 0 ] || sets=(chasedb1)
"$python" -c 'import torch, PIL' 2>/dev/null || { echo "parity_draws: skipped: $python has no torch or no PIL (set TANDEM_PYTHON)"; exit 0; }
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
for set in "${sets[@]}"; do
    for seed in ${SEEDS:-1 2 3}; do
        mkdir "$work/from"
        for strategy in ${STRATEGIES:-constant linear simultaneous alternating}; do
            parity_job "$set" "$strategy" "$seed" "$epochs" 1 null >"$work/job"
            jq -c '.training.threads = 1 | del(.kernels)' "$work/job" >"$work/job.json"
            [ -e "$work/from/crops.u8" ] || "$python" tests/bench/replay_draw.py "$work/job.json" "$top/$set" "$work/from" # a seed's are the same for all
            mkdir "$work/out"
            "$bin/bench_replay" "$work/job.json" "$top/$set" "$work/out" "$work/from"
            awk -F'\t' -v OFS='\t' -v set="$set" -v strategy="$strategy" -v seed="$seed" '$1 == "val/dice" && $3 > best {best = $3} END {print set, strategy, seed, best}' \
                "$work/out/points.tsv" | tee -a "$work/results" >&2
            rm -r "$work/out"
        done
        rm -r "$work/from"
    done
done
echo "| set | strategy | best val Dice, seeds, from the reference's draws | mean | reference |"
echo "|---|---|---|---|---|"
awk -F'\t' 'NR == FNR {ref[$1, $2] = $3; next} {k = $1 SUBSEP $2; if (!(k in n)) order[++count] = k; n[k]++; sum[k] += $4; all[k] = all[k] (n[k] > 1 ? ", " : "") sprintf("%.4f", $4)}
    END {for (i = 1; i <= count; i++) {k = order[i]; split(k, w, SUBSEP); printf "| %s | %s | %s | %.4f | %.4f |\n", w[1], w[2], all[k], sum[k] / n[k], ref[k]}}' \
    tests/vectors/reference_results.tsv "$work/results"
