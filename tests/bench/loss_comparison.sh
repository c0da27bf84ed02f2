#!/usr/bin/env bash
# loss_comparison: the preset of that name on a real set, through curl, tandemd and two workers of one thread: every variant with every
# seed, then the report as JSON, Markdown and HTML, and the table of the README on stdout.
# usage: tests/bench/loss_comparison.sh SET...     SETs: isbi2012 chasedb1 camvid_small     SEEDS=3   EPOCHS=15   EVERY=1 (epochs between validations)   OUT=folder
# Data: TANDEM_DATA, else ../shared/data. The job is the reader's default but for what stands in `base` below; validation sees whole images.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/bench/_service.sh
top=${TANDEM_DATA:-../shared/data}
out=${OUT:-/tmp/tandem-loss-comparison}
[ $# -gt 0 ] || { sed -n 's/^# usage: //p' "$0" >&2; exit 2; }
declare -A tile=([isbi2012]='[512, 512]' [chasedb1]='[960, 1000]' [camvid_small]='[360, 480]')
for set in "$@"; do [ -d "$top/$set" ] && [ -n "${tile[$set]-}" ] || { echo "loss_comparison: no data set $top/$set (set TANDEM_DATA)" >&2; exit 2; }; done
mkdir -p "$out"
rm -rf "$out/server"
start_service "$out" compare 2 --threads 1

for set in "$@"; do
    tar -C "$top/$set" -cf "$out/$set.tar" .
    curl -fsS -T "$out/$set.tar" "$url/v1/datasets/$set" >/dev/null
    rm "$out/$set.tar"
    began=$(date +%s)
    id=$(jq -cn --arg set "$set" --argjson seeds "${SEEDS:-3}" --argjson every "${EVERY:-1}" --argjson epochs "${EPOCHS:-15}" --argjson tile "${tile[$set]}" '
        {name: ("losses on " + $set), preset: "loss_comparison", seeds: $seeds,
         base: {dataset: $set, training: {epochs: $epochs, steps_per_epoch: 20, batch: 4, patch: [128, 128]},
                validation: {every_epochs: $every, tile: $tile, tile_overlap: 0, previews: 0}}}' |
        curl -fsS -d @- "$url/v1/sweeps" | jq -r .id)
    until curl -fsS "$url/v1/sweeps/$id" >"$out/$set.sweep.json" || exit 1; [ "$(jq -r .state "$out/$set.sweep.json")" = ended ]; do sleep 2; done
    for format in json md html; do curl -fsS "$url/v1/sweeps/$id/report?format=$format" >"$out/$set.report.$format"; done
    echo "loss_comparison: $set: $(jq -c .jobs "$out/$set.sweep.json") in $(($(date +%s) - began)) s; $out/$set.report.md" >&2
    jq -r -f tests/bench/loss_comparison.jq "$out/$set.report.json"
done
