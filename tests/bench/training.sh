#!/usr/bin/env bash
# training.sh: steps of networks xs and s, ours and PyTorch's in turns within one run, beside what the machine could do at best.
# Called by run.sh (its knobs are there). First a heat: each mode of each peer; the fastest of each PyTorch goes on to the turns.
set -euo pipefail
here=$(dirname "$0") bin=$TANDEM_BIN
nets=${NETS:-xs s} threads=${THREADS:-1 2} losses=${LOSSES:-1 2}
modes=${MODES:-eager channels_last jit compile compile_channels_last}
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
facts=$work/facts

rounds_of() { echo "${ROUNDS:-$(if [ -n "$QUICK" ]; then echo 1; elif [ "$1" = xs ]; then echo 9; else echo 5; fi)}"; }
steps_of() { echo "${STEPS:-$(if [ -n "$QUICK" ] || [ "$1" = s ]; then echo 1; else echo 3; fi)}"; }

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
heat() { # heat NET THREADS LABEL PYTHON: prints the fastest mode
    for mode in $modes; do
        turns "$1" "$2" 1 heat 2 1 "$3:$mode=exec $4 $here/peer_torch.py $1 $2 1 $mode"
    done
    awk -F'\t' -v net="$1" -v threads="$2" -v peer="$3" '$1 == net && $2 == threads && $4 == "heat" && $5 == "turn" && index($6, peer ":") == 1 &&
        (!best || $8 < best) {best = $8; split($6, part, ":"); mode = part[2]} END {print mode}' "$facts"
}

: >"$facts"
for net in $nets; do
    for t in $threads; do
        against=()
        for ((i = 0; i < ${#peers[@]}; i += 2)); do
            echo "training: $net, $t threads: modes of ${peers[i]}" >&2
            mode=$(heat "$net" "$t" "${peers[i]}" "${peers[i + 1]}")
            [ -n "$mode" ] && against+=("${peers[i]}:$mode" "${peers[i + 1]}")
        done
        for l in $losses; do
            echo "training: $net, $t threads, $l losses: turns" >&2
            contestants=("ours=exec $bin/bench_step $net $t $l")
            for ((i = 0; i < ${#against[@]}; i += 2)); do
                contestants+=("${against[i]}=exec ${against[i + 1]} $here/peer_torch.py $net $t $l ${against[i]#*:}")
            done
            [ "$t$l" = 11 ] && [ -x "$bin/bench_limit" ] && contestants+=("limit=exec $bin/bench_limit $net")
            turns "$net" "$t" "$l" final -p "$(steps_of "$net")" "$(rounds_of "$net")" "$(steps_of "$net")" "${contestants[@]}"
        done
    done
done
[ -z "${FACTS:-}" ] || cp "$facts" "$FACTS"
[ ${#peers[@]} -gt 0 ] || echo "No peer: no Python with torch was found (set TANDEM_PYTHON)."
awk -f "$here/results.awk" "$facts"
