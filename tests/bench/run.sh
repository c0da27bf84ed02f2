#!/usr/bin/env bash
# make bench: training steps beside PyTorch and beside the machine's own limit; what each strategy costs; two jobs on the same
# processors; from submit to the first step; durable submits a second. Prints all, the time of each part among it, and writes
# tests/bench/RESULTS.md unless QUICK=1 or PARTS. About half an hour with two PyTorches, most of it theirs; under ten minutes without.
# QUICK=1: few rounds, for a look (figures of a busy machine are no figures). PARTS="training strategies share first_step submit": some of it.
# NETS="xs s" THREADS="1 2" LOSSES="1 2" MODES="eager jit" ROUNDS=n STEPS=n: training's knobs.
# TANDEM_PYTHON="/usr/bin/python3 /other/bin/python": Pythons with torch, all of them peers; without, those found in PATH.
set -euo pipefail
cd "$(dirname "$0")/../.."
export TANDEM_BIN=${TANDEM_BIN:-$PWD/build/plain/bin} QUICK=${QUICK:-}
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
results=$work/RESULTS.md

conditions() {
    echo "# What Tandem costs, measured"
    echo
    echo "$(date -u +%F), $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) processors, load $(cut -d' ' -f1 /proc/loadavg) at the start" \
        "(near 0 on an idle machine; else these are no figures); $(uname -s) $(uname -r | cut -d- -f1)."
    echo "Commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown), $(${CC:-cc} --version | head -1), oneDNN $(dpkg-query -W -f='${Version}' libdnnl2 2>/dev/null || echo unknown)," \
        "SQLite $(pkg-config --modversion sqlite3), libmicrohttpd $(pkg-config --modversion libmicrohttpd)."
    echo "To repeat: \`make bench\` on an otherwise idle machine, with \`TANDEM_PYTHON\` naming each Python whose torch is to be a peer (\`tests/bench/run.sh\` says the rest)."
}

submit() {
    echo "## Durable submits (every reply leaves after its fsync)"
    echo '```'
    (cd "$work" && "$TANDEM_BIN/bench_store" && ROUNDS=$([ -n "$QUICK" ] && echo 1 || echo 5) "$TANDEM_BIN/bench_submit")
    echo '```'
}

part() { # part NAME COMMAND...: runs it if asked for, shows it and keeps it, with the time that it took
    case " ${PARTS:-training strategies share first_step submit} " in *" $1 "*) ;; *) return 0 ;; esac
    local name=$1 start=$SECONDS
    shift
    echo "bench: $name" >&2
    { echo; "$@"; } | tee -a "$results"
    times+=("$name $((SECONDS - start)) s")
}

times=()
conditions | tee "$results"
part training tests/bench/training.sh
part strategies tests/bench/strategies.sh
part share tests/bench/share.sh
part first_step tests/bench/first_step.sh
part submit submit
{ echo; printf 'Time of each part: '; (IFS=,; echo "${times[*]/#/ }"); } | sed 's/:  /: /' | tee -a "$results"
if [ -n "$QUICK" ] || [ -n "${PARTS:-}" ]; then echo; echo "(a look: RESULTS.md is not written)"; else cp "$results" tests/bench/RESULTS.md; fi
