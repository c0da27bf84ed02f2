#!/usr/bin/env bash
# make bench: durable submits a second, and training images a second beside PyTorch, interleaved in one run; medians and ratios.
# ROUNDS=3 STEPS=3   NETS="xs s"   TANDEM_PYTHON=python-with-torch: the peer; without one that part is skipped, saying so.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${TANDEM_BIN:-$PWD/build/plain/bin}
rounds=${ROUNDS:-3} steps=${STEPS:-3} nets=${NETS:-xs s}
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

echo "date $(date -u +%F) UTC, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) processors, load $(cut -d' ' -f1 /proc/loadavg)"
echo "commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown), $(cc --version | head -1), SQLite $(pkg-config --modversion sqlite3), libmicrohttpd $(pkg-config --modversion libmicrohttpd)"
echo
echo "== durable submits (every reply leaves after its fsync)"
(cd "$work" && "$bin/bench_store" && ROUNDS=$rounds "$bin/bench_submit")

python=
for candidate in "${TANDEM_PYTHON:-}" /usr/bin/python3 python3; do
    [ -n "$candidate" ] && command -v "$candidate" >/dev/null && "$candidate" -c 'import torch' 2>/dev/null && { python=$candidate; break; }
done
echo
echo "== training, images a second: one-loss steps, $rounds rounds, ours and the peer's turns interleaved"
[ -n "$python" ] || echo "peer skipped: no Python with torch found (set TANDEM_PYTHON)"
for round in $(seq "$rounds"); do
    for net in $nets; do
        for threads in 1 2; do
            "$bin/bench_step" "$net" "$threads" "$steps" | sed -n 's/^[a-z]* *lanes [0-9]* backend \([a-z]*\): \([0-9.]*\) images.*/ours:\1 \2/p' |
                sed "s/^/$net $threads /" >>"$work/rates"
            [ -z "$python" ] || for mode in eager channels_last; do
                "$python" tests/bench/peer_torch.py "$net" "$threads" "$mode" "$steps" | sed -n 's/^torch \([^ ]*\) \([a-z_]*\) \([0-9.]*\)/torch-\1:\2 \3/p' |
                    sed "s/^/$net $threads /" >>"$work/rates" || true
            done
        done
    done
done
sort -k1,1r -k2,2n -k3,3 -k4,4n "$work/rates" | awk '
    function flush() {if (n) {m = v[int((n + 1) / 2)]; printf "%-3s %d threads  %-28s %8.2f   (min %.2f, max %.2f of %d)\n", net, threads, who, m, v[1], v[n], n
        key = net " " threads; if (who ~ /^ours/) ours[key] = m; else if (m > peer[key]) peer[key] = m; keys[key]}}
    {k = $1 " " $2 " " $3; if (k != last) {flush(); n = 0; last = k; net = $1; threads = $2; who = $3} v[++n] = $4}
    END {flush(); for (k in keys) if (peer[k]) printf "ratio to the fastest peer mode, %s threads: %.2f\n", k, ours[k] / peer[k]}'
