# _tiny_job.sh: a job that trains in a second, for tests to source: tiny_job NAME [JSON MEMBERS] > job.json
# shellcheck shell=sh
train=$TANDEM_BIN/tandem-train
. "$TANDEM_ROOT/tests/e2e/_kernels.sh"
tiny_job() { # members given here win over the defaults: later keys would be duplicates, so each is named once
    cat <<END
{"name": "$1", "dataset": {"generate": {"kind": "lesions", "images": 8, "size": 48, "classes": 2, "foreground": 0.15, "noise": 0.05, "seed": 7}},
 "model": {"widths": [8, 16]}, "training": {"epochs": ${EPOCHS:-4}, "steps_per_epoch": 6, "batch": 3, "patch": [32, 32], "checkpoint_s": ${CHECKPOINT_S:-0.02}},
 "validation": {"previews": 1}, $(kernels_of encoder.0.conv.0 encoder.0.conv.1 encoder.1.conv.0 encoder.1.conv.1 decoder.0.conv.0 decoder.0.conv.1)${2:+, $2}}
END
}
same() { # same WHAT A B
    [ "$2" = "$3" ] || { echo "$1 differs:"; echo "  $2"; echo "  $3"; exit 1; }
}
