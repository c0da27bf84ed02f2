#!/bin/sh
# The same grid and random sweep twice: once in peace, once with its workers killed again and again. All of the report but who ran it
# and how long it took is the same text; the sweep shares one choice of kernels.
. "$TANDEM_ROOT/tests/e2e/_lib.sh"
command -v jq >/dev/null || skip "jq is not there"

epochs=${slow:+6} epochs=${epochs:-30} # long enough that a worker dies in the middle, on a fast machine and under sanitizers
cat >sweep.json <<SWEEP
{"name": "kills", "base": {"dataset": {"generate": {"kind": "lesions", "images": 10, "size": 48, "classes": 2, "foreground": 0.15, "noise": 0.05, "seed": 7}},
  "model": {"widths": [8, 16], "convs": 1}, "loss": {"strategy": "constant"},
  "training": {"epochs": $epochs, "steps_per_epoch": 8, "batch": 3, "patch": [32, 32], "checkpoint_epochs": 1}, "validation": {"previews": 0}, "max_attempts": 100},
 "axes": [{"pointer": "/loss/alpha", "grid": [0.2, 0.8]},
          {"pointer": "/optimizer/lr", "random": {"low": 1e-4, "high": 1e-2, "scale": "log"}}], "samples": 2, "seeds": [3]}
SWEEP
sweep() { curl -fsS --retry 5 --retry-connrefused -d @sweep.json "$server/v1/sweeps" | field_of id; }
state_of() { curl -fsS --retry 5 --retry-connrefused "$server/v1/sweeps/$1" | jq -r .state; }
has_ended() { [ "$(state_of "$1")" = ended ]; }
some_run() { curl -fsS --retry 5 --retry-connrefused "$server/v1/jobs?sweep=$1&state=running" | jq -e '[.jobs[] | select(.progress.step > 2)] | length > 0' >/dev/null; }
ended_or_runs() { has_ended "$1" || some_run "$1"; }
report() { curl -fsS "$server/v1/sweeps/$1/report" | jq -S 'del(.run, .timing)' >"$2"; }

lease_ms=1000
start_daemon
start_worker; first=$worker
start_worker; second=$worker
calm=$(sweep)
wait_until 60 "the sweep in peace" has_ended "$calm"
report "$calm" calm.json
[ "$(jq '.outcomes.succeeded' calm.json)" = 4 ] || fail "not all four trials succeeded: $(cat calm.json)"

kills=0
wild=$(sweep)
for turn in 1 2 3 4 5; do
    wait_until 60 "a trial trains" ended_or_runs "$wild"
    has_ended "$wild" && break
    if [ $((turn % 2)) = 0 ]; then victim=$first; else victim=$second; fi
    kill -9 "$victim"
    kills=$((kills + 1))
    start_worker
    if [ $((turn % 2)) = 0 ]; then first=$worker; else second=$worker; fi
    dice 5
    sleep "0.$number"
done
[ "$kills" -ge 2 ] || fail "only $kills kills: the sweep was over"
wait_until 60 "the sweep with kills" has_ended "$wild"
report "$wild" wild.json
curl -fsS "$server/v1/sweeps/$wild/report" | jq -e '[.timing.variants[].step_processor_s] | length == 4 and all(. > 0)' >/dev/null || fail "the report does not say what a step costs"
lost=$(curl -fsS "$server/v1/sweeps/$wild/report" | jq '[.run.jobs[].attempts] | add')
[ "$lost" -gt 4 ] || fail "no trial had to begin again: $lost attempts"
cmp calm.json wild.json || { diff calm.json wild.json | head -n 20; fail "the report differs after $kills kills"; }

# What single images scored, and the worst of them, are the same, too.
images() { for j in $(curl -fsS "$server/v1/sweeps/$1/trials" | jq -r '.trials[].job'); do curl -fsS "$server/v1/jobs/$j/images?order=split"; job "$j" | jq -c .result.scores.worst_images; done; }
images "$calm" >calm.images
images "$wild" >wild.images
[ "$(jq -s '[.[] | select(type == "object") | .images[] | select(.dice != null)] | length' calm.images)" = 8 ] || fail "not two images of each of four trials: $(cat calm.images)"
cmp calm.images wild.images || fail "images scored otherwise after $kills kills"
[ "$(jq '[.curves.variants[].epochs | length] | min' calm.json)" = "$epochs" ] || fail "the curves lack epochs: $(jq -c .curves calm.json)"

# One kernels for all: the jobs of both sweeps trained with the same.
for s in "$calm" "$wild"; do
    for j in $(curl -fsS "$server/v1/sweeps/$s/trials" | jq -r '.trials[].job'); do job "$j" | jq -cS .kernels; done
done | sort -u >kernels
[ "$(wc -l <kernels)" = 1 ] || fail "trials of a sweep trained with different kernels"
echo "$kills kills, $lost attempts for 4 trials, the same report"
