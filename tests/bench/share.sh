#!/usr/bin/env bash
# share.sh: two jobs with a lane for each processor on the same processors: the speed of each beside its speed alone, in turns.
set -euo pipefail
lanes=$(nproc) rounds=$([ -n "${QUICK:-}" ] && echo 1 || echo 7) steps=$([ -n "${QUICK:-}" ] && echo 1 || echo 5)
echo "## Two jobs on the same $lanes processors (xs, $lanes lanes each; share of the speed alone)"
echo
"$TANDEM_BIN/bench_turns" -t "$rounds" "$steps" "ours-1=exec $TANDEM_BIN/bench_step xs $lanes 1" "ours-2=exec $TANDEM_BIN/bench_step xs $lanes 1" | awk -F'\t' '
    function median(key,   i, j, n, v, x) {
        n = turns[key]
        for (i = 1; i <= n; i++) {x = turn[key, i]; for (j = i - 1; j >= 1 && v[j] > x; j--) v[j + 1] = v[j]; v[j + 1] = x}
        return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
    }
    $1 == "turn" {turn[$2, ++turns[$2]] = $4}
    END {for (i = 1; i <= 2; i++) {who = "ours-" i
        if (!turns[who "+"]) {print "a contestant is missing"; exit 1}
        printf "- job %d: %.1f images/s alone, %.1f beside the other: %.0f %%\n", i, 16 / median(who), 16 / median(who "+"), 100 * median(who) / median(who "+")}}'
