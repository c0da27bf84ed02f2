#!/usr/bin/env bash
# strategies.sh: what a step of each adaptive and gradient strategy, each level of the Gram and the diagnostics cost, relative to a
# step of a constant mix. In turns within one run, one thread, the same kernels for all; processor time, which is what an idle machine
# takes. Called by run.sh. NETS_STRATEGIES="xs small"; TURNS=n: turns of each; FACTS_STRATEGIES=file: keeps what was measured.
set -euo pipefail
here=$(dirname "$0") bin=$TANDEM_BIN
turns=${TURNS:-$([ -n "${QUICK:-}" ] && echo 1 || echo 7)}
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

# Steps of a turn, in how many pairs of processes, then those that take turns with the constant mix. A Gram every 4 steps needs turns
# of 4. What diagnostics cost between two looks is to be told from nothing, and two equal processes differ by one percent, as their
# memory falls: many pairs, with short turns, in which what else the machine does meets both alike.
groups=("2 1 uncertainty dwa random loss_scale famo gradnorm:last_layer"
    "2 1 pcgrad:logits upgrad:logits mgda:logits cagrad:logits nash_mtl:logits imtl_g:logits aligned_mtl:logits gradvac:logits dualproj:logits"
    "2 1 2 pcgrad:last_layer pcgrad:full gradnorm:full diagnostics:1"
    "1 16 diagnostics:100"
    "4 1 pcgrad:logits:4 pcgrad:last_layer:4 pcgrad:full:4")
for net in ${NETS_STRATEGIES:-xs small}; do
    for g in "${!groups[@]}"; do
        read -r steps pairs words <<<"${groups[g]}"
        [ -z "${QUICK:-}" ] || pairs=1
        [ "$net" = xs ] || steps=$((steps * 10)) # a step of some milliseconds
        contestants=("1=exec $bin/bench_step $net 1 1 'winograd 2'")
        for word in $words; do contestants+=("$word=exec $bin/bench_step $net 1 $word 'winograd 2'"); done
        echo "strategies: $net: $words" >&2
        for ((pair = 0; pair < pairs; pair++)); do
            "$bin/bench_turns" "$turns" "$steps" "${contestants[@]}" | sed "s/^/$net\t$g.$pair\t/" >>"$work/facts"
        done
    done
done
[ -z "${FACTS_STRATEGIES:-}" ] || cp "$work/facts" "$FACTS_STRATEGIES"
awk -f "$here/strategies.awk" "$work/facts"
