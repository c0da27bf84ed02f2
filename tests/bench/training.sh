#!/usr/bin/env bash
# training.sh: steps of networks xs and s, ours and PyTorch's in turns within one run, beside what the machine could do at best.
# Called by run.sh (its knobs are there). First a heat: each mode of each peer; the fastest of each PyTorch goes on to the turns.
# What a second thread and a second loss do, and how far the limit is, is told from turns of ours alone: a peer's idle threads spin
# into the turn after its own, and a turn of s takes it half a minute.
set -euo pipefail
here=$(dirname "$0") bin=$TANDEM_BIN
nets=${NETS:-xs s} threads=${THREADS:-1 2} losses=${LOSSES:-1 2}
modes=${MODES:-eager channels_last jit compile compile_channels_last}
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
facts=$work/facts

# A step of s takes a peer 10 to 40 s, so s has few turns.
rounds_of() { # NET
    if [ -n "${ROUNDS:-}" ]; then echo "$ROUNDS"; elif [ -n "$QUICK" ]; then echo 1; elif [ "$1" = xs ]; then echo 5; else echo 2; fi
}
steps=${STEPS:-1}
warm_up_of() { # NET MODE: tracing and compiling look at the first two steps
    if [ "$1" = xs ] && [ -z "$QUICK" ]; then echo 3; else case $2 in jit | compile*) echo 2 ;; *) echo 1 ;; esac; fi
}

peers=() # LABEL PYTHON, one each
IFS=' ' read -r -a candidates <<<"${TANDEM_PYTHON:-/usr/bin/python3 python3}"
for python in "${candidates[@]}"; do
    version=$("$python" -c 'import torch; print(torch.__version__)' 2>/dev/null) || { echo "no torch in a Python that was to be a peer" >&2; continue; }
    case " ${peers[*]-} " in *" torch-$version "*) ;; *) peers+=("torch-$version" "$python") ;; esac
done

turns() { # turns NET THREADS LOSSES TAG OPTIONS... NAME=COMMAND...: its lines, each with where it belongs
    local net=$1 t=$2 l=$3 tag=$4; shift 4
    "$bin/bench_turns" "$@" | sed "s/^/$net\t$t\t$l\t$tag\t/" >>"$facts"
}
# heat NET THREADS LABEL PYTHON: prints the fastest mode, found with a quarter of the batch. More threads: only the modes that were
# within a fifth of the fastest on one thread are tried again, and a sole one needs no trial.
heat() {
    local net=$1 t=$2 label=$3 python=$4 tried=$modes close batch=$([ "$1" = s ] && echo 2 || echo 4)
    close=$(fastest "$net" 1 "$label" 1.2)
    [ "$t" = 1 ] || [ -z "$close" ] || tried=$close
    [ "$t" = 1 ] || [ "$(wc -w <<<"$tried")" != 1 ] || { echo $tried; return; }
    for mode in $tried; do
        turns "$net" "$t" 1 heat 2 1 "$label:$mode=WARM_UP=$(warm_up_of s "$mode") BATCH=$batch exec $python $here/peer_torch.py $net $t 1 $mode"
    done
    fastest "$net" "$t" "$label" 1 | cut -d' ' -f1
}
fastest() { # NET THREADS LABEL FACTOR: the modes within FACTOR of the fastest, the fastest first
    awk -F'\t' -v net="$1" -v threads="$2" -v peer="$3" -v factor="$4" '
        $1 == net && $2 == threads && $4 == "heat" && $5 == "turn" && index($6, peer ":") == 1 {
            split($6, part, ":"); m = part[2]; if (!(m in best) || $8 < best[m]) best[m] = $8; if (!least || $8 < least) {least = $8; first = m}}
        END {printf "%s", first; for (m in best) if (m != first && best[m] <= factor * least) printf " %s", m; print ""}' "$facts"
}

# alone NET: ours on each number of threads with each number of losses; a contestant is called THREADS.LOSSES. THREADS.0: multiply-adds
# in registers, no more.
alone() {
    local net=$1 rounds=$([ -n "$QUICK" ] && echo 1 || echo "${ROUNDS:-9}") contestants=()
    for t in $threads; do
        [ ! -x "$bin/bench_peak" ] || contestants+=("$t.0=exec $bin/bench_peak $t")
        for l in $losses; do contestants+=("$t.$l=exec $bin/bench_step $net $t $l"); done
    done
    echo "$(date +%T) training: $net: turns of ours alone" >&2
    turns "$net" 0 0 alone "$rounds" "$steps" "${contestants[@]}"
    [ -x "$bin/bench_limit" ] || return 0
    [ "$rounds" -lt 5 ] || rounds=5
    for l in $losses; do
        [ "$l" = 1 ] || [ "$rounds" -lt 3 ] || rounds=3
        turns "$net" 1 "$l" limit -p "$steps" "$rounds" "$steps" "ours=exec $bin/bench_step $net 1 $l" "limit=exec $bin/bench_limit $net $l"
    done
}

: >"$facts"
for net in $nets; do
    alone "$net"
    for t in $threads; do
        against=()
        for ((i = 0; i < ${#peers[@]}; i += 2)); do
            echo "$(date +%T) training: $net, $t threads: modes of ${peers[i]}" >&2
            mode=$(heat "$net" "$t" "${peers[i]}" "${peers[i + 1]}")
            [ -n "$mode" ] && against+=("${peers[i]}:$mode" "${peers[i + 1]}")
        done
        for l in $losses; do
            echo "$(date +%T) training: $net, $t threads, $l losses: turns" >&2
            contestants=("ours=exec $bin/bench_step $net $t $l")
            for ((i = 0; i < ${#against[@]}; i += 2)); do
                contestants+=("${against[i]}=WARM_UP=$(warm_up_of "$net" "${against[i]#*:}") exec ${against[i + 1]} $here/peer_torch.py $net $t $l ${against[i]#*:}")
            done
            turns "$net" "$t" "$l" final "$(rounds_of "$net")" "$steps" "${contestants[@]}"
        done
    done
done
[ -z "${FACTS:-}" ] || cp "$facts" "$FACTS"
[ ${#peers[@]} -gt 0 ] || echo "No peer: no Python with torch was found (set TANDEM_PYTHON)."
awk -f "$here/results.awk" "$facts"
