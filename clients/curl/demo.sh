#!/usr/bin/env bash
# make demo: a server, two workers and one job per strategy, submitted by curl on a set of PNG files; then the comparison.
# OUT=folder   where everything lands (default demo-out)      DATA=folder  a data set of your own with its dataset.json
# KEEP=1       leave server and workers running at the end    EPOCHS=n STEPS=n   the length of each job
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${TANDEM_BIN:-$PWD/build/plain/bin}
out=${OUT:-demo-out} epochs=${EPOCHS:-8} steps=${STEPS:-12}
pids=()
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
stop() { # workers first: they hand their jobs back while the server still listens; each by its own pid, until it is gone
    for pid in $(printf '%s\n' "${pids[@]}" | tac); do kill "$pid" 2>/dev/null || continue; wait "$pid" 2>/dev/null || true; done
    pids=()
}
trap stop EXIT
trap 'exit 130' INT TERM
clients/cluster/deps.sh jq gnuplot-nox

rm -rf "$out" && mkdir -p "$out"/{server,cache,results}
out=$(cd "$out" && pwd)

say "1. Data"
if [ -n "${DATA:-}" ]; then
    data=$(cd "$DATA" && pwd)
else
    data=$out/lesions
    "$bin/tandem-train" generate --out "$data" --seed 7
fi
"$bin/tandem-train" check --data "$data"

say "2. A server and two workers"
"$bin/tandemd" --data "$out/server" --listen 127.0.0.1 --port "${PORT:-0}" --port-file "$out/port" 2>"$out/tandemd.log" &
pids+=($!)
for _ in $(seq 100); do [ -s "$out/port" ] && break; sleep 0.1; done
[ -s "$out/port" ] || { cat "$out/tandemd.log"; exit 1; }
url=http://127.0.0.1:$(cat "$out/port")
for n in 1 2; do
    "$bin/tandem-worker" --server "$url" --name "demo-$n" --threads 1 --cache-dir "$out/cache" 2>"$out/worker-$n.log" &
    pids+=($!)
done
curl -fsS "$url/readyz" && echo
echo "server and dashboard: $url"

say "3. The data set goes up, one job per strategy goes in the queue"
tar -C "$data" -cf "$out/data.tar" .
curl -fsS -T "$out/data.tar" "$url/v1/datasets/demo" | jq -c '{name, sha256, bytes}'
spec() { # spec NAME LOSS-BLOCK
    jq -cn --arg name "$1" --argjson loss "$2" --argjson epochs "$epochs" --argjson steps "$steps" '{name: $name, dataset: "demo", loss: $loss,
        model: {widths: [16, 32, 64]}, training: {epochs: $epochs, steps_per_epoch: $steps, batch: 4, patch: [128, 128], oversample_foreground: 0.33}}'
}
pair='"dice": {"type": "adam", "lr": 1e-3}, "ce": {"type": "adam", "lr": 1e-3}'
names=(constant linear_1_to_0 separate_simultaneous separate_alternating)
losses=('{"strategy": "constant", "alpha": 0.5}'
        '{"strategy": "scheduled", "alpha": {"schedule": "linear", "start": 1.0, "end": 0.0}}'
        '{"strategy": "separate_optimizers", "optimizers": {"mode": "simultaneous", '"$pair"'}}'
        '{"strategy": "separate_optimizers", "optimizers": {"mode": "alternating", '"$pair"'}}')
ids=()
for k in "${!names[@]}"; do
    id=$(spec "${names[k]}" "${losses[k]}" | curl -fsS -d @- "$url/v1/jobs" | jq -r .id)
    ids+=("$id")
    echo "${names[k]}: $url/v1/jobs/$id"
done

say "4. Training"
row='[.name, .state, (.phase // .reason.code // ""), "epoch \(.progress.epoch // 0)/\(.progress.epochs // 0)", "Dice \(.latest["val/dice"] // "-" | tostring | .[0:6])", "alpha \(.latest["alpha"] // "-" | tostring | .[0:5])", "ETA \(.progress.eta_s // null | if . then "\(floor) s" else "-" end)"] | @tsv'
show() { for id in "${ids[@]}"; do curl -fsS "$url/v1/jobs/$id" | jq -r "$row"; done | column -t -s "$(printf '\t')"; }
ended() { curl -fsS "$url/v1/jobs" | jq -e 'all(.jobs[]; .state | IN("succeeded", "failed", "cancelled", "pruned"))' >/dev/null; }
last=
until ended; do
    now=$(show)
    [ "$now" = "$last" ] || printf '%s\n\n' "$now"
    last=$now
    # sleeps in the server until the first job that still runs has news, at most 5 s
    waiting=$(curl -fsS "$url/v1/jobs?state=running,stopping,queued" | jq -r '.jobs[-1].id // empty')
    [ -z "$waiting" ] || curl -fsS -o /dev/null "$url/v1/jobs/$waiting?wait=5"
done
show

say "5. Results"
plots=()
for k in "${!names[@]}"; do
    id=${ids[k]} to=$out/results/${names[k]}
    mkdir -p "$to"
    curl -fsS "$url/v1/jobs/$id" >"$to/job.json"
    if [ "$(jq -r .state "$to/job.json")" != succeeded ]; then
        echo "${names[k]} ended as $(jq -c '{state, failure}' "$to/job.json")"; exit 1
    fi
    curl -fsS "$url/v1/jobs/$id/metrics?format=csv" >"$to/metrics.csv"
    for name in $(curl -fsS "$url/v1/jobs/$id/artifacts" | jq -r '.artifacts[].name | select(startswith("checkpoint") | not)'); do
        curl -fsS -o "$to/$name" "$url/v1/jobs/$id/artifacts/$name"
    done
    curl -fsS "$url/v1/jobs/$id/metrics?series=val/dice" | jq -r '.series[] | select(.name == "val/dice") | [.steps, .values] | transpose[] | "\(.[0] + 1) \(.[1])"' >"$to/val_dice.dat"
    plots+=("'$to/val_dice.dat' with linespoints linewidth 2 title '${names[k]//_/ }'")
done
gnuplot -e "set terminal svg size 900,480 font 'sans,13'; set output '$out/results/val_dice.svg'; set title 'Validation Dice'; set xlabel 'epoch';
    set grid; set key bottom right; set yrange [0:1]; plot $(IFS=,; echo "${plots[*]}")"
{
    echo "strategy	best Dice	at epoch	last Dice	seconds	model"
    for k in "${!names[@]}"; do
        to=$out/results/${names[k]}
        jq -r --arg to "results/${names[k]}/model.safetensors" '[.name, (.result.best_score | tostring | .[0:6]), .result.best_epoch + 1,
            (.result.last_score | tostring | .[0:6]), (.result.seconds | round), $to] | @tsv' "$to/job.json"
    done
} | tee "$out/results/comparison.tsv" | column -t -s "$(printf '\t')"
echo
echo "One seed and a short run: differences of a few hundredths are noise. Repeat with seeds before you believe an order."
echo "Models, metrics, curves and overlays: $out/results"
if [ -n "${KEEP:-}" ]; then
    echo "Still running: $url (stop with: kill ${pids[*]})"
    trap - EXIT
    disown -a
else
    stop
    echo "Server and workers are stopped."
fi
