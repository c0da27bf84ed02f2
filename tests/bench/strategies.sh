#!/usr/bin/env bash
# strategies.sh: what a step of each adaptive and gradient strategy, each level of the Gram and the diagnostics cost, relative to a
# step of a constant mix. In turns within one run, one thread, the same kernels for all; processor time, which is what an idle machine
# takes. Called by run.sh. NETS_STRATEGIES="xs small"; TURNS=n: turns of each; FACTS_STRATEGIES=file: keeps what was measured.
set -euo pipefail
here=$(dirname "$0") bin=$TANDEM_BIN
turns=${TURNS:-$([ -n "${QUICK:-}" ] && echo 1 || echo 7)}
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

# Steps of a turn, how many times as many turns, then those that take turns with the constant mix. A Gram every 4 steps needs turns
# of 4. What diagnostics cost between two looks is to be told from nothing: many short turns, in which what else the machine does
# meets both alike, in four pairs of processes, since where memory falls makes equal ones differ.
groups=("2 1 uncertainty dwa random loss_scale famo gradnorm:last_layer"
    "2 1 pcgrad:logits upgrad:logits mgda:logits cagrad:logits nash_mtl:logits imtl_g:logits aligned_mtl:logits gradvac:logits dualproj:logits"
    "2 1 2 pcgrad:last_layer pcgrad:full gradnorm:full diagnostics:1"
    "1 4 diagnostics:100" "1 4 diagnostics:100" "1 4 diagnostics:100" "1 4 diagnostics:100"
    "4 1 pcgrad:logits:4 pcgrad:last_layer:4 pcgrad:full:4")
for net in ${NETS_STRATEGIES:-xs small}; do
    for g in "${!groups[@]}"; do
        read -r steps times words <<<"${groups[g]}"
        [ "$net" = xs ] || steps=$((steps * 10)) # a step of some milliseconds
        contestants=("1=exec $bin/bench_step $net 1 1 'winograd 2'")
        for word in $words; do contestants+=("$word=exec $bin/bench_step $net 1 $word 'winograd 2'"); done
        echo "strategies: $net: $words" >&2
        "$bin/bench_turns" "$((turns * times))" "$steps" "${contestants[@]}" | sed "s/^/$net\t$g\t/" >>"$work/facts"
    done
done
[ -z "${FACTS_STRATEGIES:-}" ] || cp "$work/facts" "$FACTS_STRATEGIES"
awk -f "$here/strategies.awk" "$work/facts"
