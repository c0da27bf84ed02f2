#!/bin/sh
# Each kind of failure: its exit status, its class in the failed event, and words that help.
set -eu
. "$TANDEM_ROOT/tests/e2e/_tiny_job.sh"
wrong() { # wrong STATUS WORDS ARGUMENTS...
    status=$1 words=$2 code=0
    shift 2
    "$train" "$@" >said 2>&1 || code=$?
    same "status of tandem-train $*" "$status" "$code"
    grep -qs -- "$words" said || { echo "tandem-train $* lacks \"$words\":"; cat said; exit 1; }
}
tiny_job good >good.json
tiny_job bad '"loss": {"strategy": "constant", "alpha": 1.5}, "seeed": 1' >bad.json
sed 's/"dataset": {"generate".*}},$/"dataset": "lungs",/' good.json >named.json
tiny_job hot '"optimizer": {"type": "sgd", "lr": 1e30}' | sed 's/"model": {/"model": {"norm": "none", /' >hot.json
tiny_job three '"validation": {"previews": 0, "monitor": "val/dice/7"}' | sed 's/, *"validation": {"previews": 1}//; s/^ "validation": {"previews": 1}, / /' >monitor.json
wrong 64 'unknown argument --wat' good.json --wat
wrong 64 '--out DIR is missing' good.json
wrong 64 'wants a value' good.json --out
wrong 64 'a number from 0 to 256' good.json --out o --threads many
wrong 65 'spec_error' bad.json --out o
wrong 65 'alpha' bad.json --out o
wrong 65 'seeed' bad.json --out o
wrong 65 'cannot read none.json' none.json --out o
wrong 65 'give its folder with --data' named.json --out o
wrong 65 'data_error: cannot read nowhere' named.json --data nowhere --out o
wrong 65 'the data set has 2 classes' monitor.json --out o
wrong 65 'word_unknown\|spec_error' good.json --out o --backend abacus
wrong 70 'cannot read gone' good.json --out o --resume gone
wrong 76 'diverged: loss/' hot.json --out o
"$train" hot.json --out o --events-fd 3 3>events >said 2>&1 || true
grep -qs '"class": *"diverged"' events
grep -qs '"samples"' events
echo garbage >garbage
wrong 70 'is not a checkpoint' good.json --out o --resume garbage
(ulimit -f 16; code=0; "$train" good.json --out small >said 2>&1 || code=$?; same "status with a full disk" 73 "$code")
grep -qs 'no_space: cannot write small/checkpoint-last' said
[ ! -e small/checkpoint-last ] && [ ! -e small/checkpoint-last.part ]
"$train" good.json --out done >said
grep -qs 'done in' said
for file in model.safetensors model.json curves.csv curves.svg result.json checkpoint-last checkpoint-best; do [ -s "done/$file" ]; done
ls done/preview-0-*.png >/dev/null
tiny_job other '"seed": 2' >other.json
wrong 70 'belongs to another job' other.json --out o --resume done/checkpoint-last
