#!/bin/sh
# tandem sweep and tandem compare against a real daemon and worker: preview, submit, wait, extend, trials, report, cancel.
. "$TANDEM_ROOT/tests/e2e/_lib.sh"
start_daemon
start_worker
tandem="$TANDEM_BIN/tandem"
export TANDEM_SERVER="$server"
cat >job.json <<'JOB'
{"dataset": {"generate": {"images": 6, "size": 32, "foreground": 0.2, "seed": 7}}, "model": {"widths": [4, 8], "convs": 1},
 "training": {"epochs": 2, "steps_per_epoch": 2, "batch": 2, "patch": [32, 32]}, "validation": {"previews": 0}}
JOB
cat >sweep.json <<SWEEP
{"name": "two losses", "reference": "even", "base": $(cat job.json), "max_running": 2, "axes": [{"list": [
  {"name": "even", "set": {"/loss": {"strategy": "constant", "alpha": 0.5}}}, {"name": "dice only", "set": {"/loss": {"strategy": "constant", "alpha": 1}}}]}]}
SWEEP
"$tandem" sweep preview --preset loss_comparison --seeds 3 job.json >preview.txt 2>preview.err || fail "preview: $(cat preview.err)"
grep -q "^  constant 0.5$" preview.txt || fail "the preset lacks constant 0.5: $(cat preview.txt)"
grep -q "with 3 seeds; " preview.txt || fail "no count: $(cat preview.txt)"
"$tandem" sweep preview sweep.json --set folds=2 --set 'prune={"min_epochs": 1}' >preview.txt || fail "preview with folds: $(cat preview.txt)"
grep -q "with 1 seed on 2 folds; 8 epochs (4 if all is pruned at the first rung), " preview.txt || fail "folds and pruning are not told: $(cat preview.txt)"

id=$("$tandem" sweep submit sweep.json --seeds 1 --wait -o name) || fail "submit ended with $?"
[ "$("$tandem" ls --sweep "$id" -o name | wc -l)" = 2 ] || fail "ls --sweep does not show its two jobs"
"$tandem" compare "$id" >one.md
grep -q "not settled against even (fewer than five seeds): dice only" one.md || fail "one seed says more than it can: $(cat one.md)"
grep -q "^- They train together\|^- As far as so few seeds show" one.md || fail "no short answer: $(head -n 6 one.md)"
one=$("$tandem" ls --sweep "$id" -o name | head -n 1)
"$tandem" images "$one" | grep -q "^IMAGE  *CLASS  *DICE" || fail "no images: $("$tandem" images "$one")"
"$tandem" get "$one" | grep -q "^worst images by Dice: " || fail "get does not name the worst images: $("$tandem" get "$one")"
"$tandem" sweep extend "$id" --seeds 2 --wait >extended.txt || fail "extend ended with $?: $(cat extended.txt)"
grep -q "succeeded 4" extended.txt || fail "four trials did not succeed: $(cat extended.txt)"
"$tandem" sweep trials "$id" | grep -q "succeeded  *2  *dice only" || fail "trials lacks dice only with seed 2: $("$tandem" sweep trials "$id")"
"$tandem" compare "$id" >two.md
grep -q "^Seeds 1, 2; sweep $id; spec hash [0-9a-f]\{64\}.$" two.md || fail "the report cannot be repeated: $(tail -n 3 two.md)"
"$tandem" compare "$id" --format html | grep -q "<svg" || fail "the page has no chart"
"$tandem" compare "$id" -o json | grep -q '"word":"not settled"' || fail "the JSON has no words"
code=0; "$tandem" compare nonsense 2>err.txt || code=$?
[ "$code" = 5 ] || fail "compare of nothing exits $code, not 5"
"$tandem" sweep cancel "$id" | grep -q "4 trials" || fail "cancel of an ended sweep fails"
"$tandem" sweep ls | grep -q "$id  *cancelled" || fail "the sweep does not say that it was cancelled"
echo "a sweep by the command line"
