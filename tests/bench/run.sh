#!/usr/bin/env bash
# make bench: durable submits a second; training steps beside PyTorch and beside the machine's own limit; two jobs on the same
# processors; from submit to the first step. Prints all, and writes tests/bench/RESULTS.md unless QUICK=1. About 40 minutes.
# QUICK=1: few rounds, for a look (figures of a busy machine are no figures). PARTS="submit training share first_step": some of it.
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
    (cd "$work" && "$TANDEM_BIN/bench_store" && "$TANDEM_BIN/bench_submit")
    echo '```'
}

part() { # part NAME COMMAND...: runs it if asked for, shows it and keeps it
    case " ${PARTS:-submit training share first_step} " in *" $1 "*) ;; *) return 0 ;; esac
    shift
    { echo; "$@"; } | tee -a "$results"
}

conditions | tee "$results"
part training tests/bench/training.sh
part share tests/bench/share.sh
part first_step tests/bench/first_step.sh
part submit submit
if [ -n "$QUICK" ] || [ -n "${PARTS:-}" ]; then echo; echo "(a look: RESULTS.md is not written)"; else cp "$results" tests/bench/RESULTS.md; fi
