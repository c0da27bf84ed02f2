# _parity.sh: the jobs that are held against the PyTorch reference: its settings, in our words.
# shellcheck shell=bash
# Use: source it in a bash script; then parity_job SET STRATEGY SEED EPOCHS EVERY KERNELS prints a job (KERNELS: null: tuned).
declare -A parity_loss=(
    [constant]='{"strategy": "constant", "alpha": 0.5'
    [linear]='{"strategy": "scheduled", "alpha": {"points": [[0, 1], [1, 0]], "interp": "linear", "unit": "fraction"}'
    [simultaneous]='{"strategy": "separate_optimizers", "optimizers": {"mode": "simultaneous", "dice": {"type": "adam", "lr": 1e-3}, "ce": {"type": "adam", "lr": 1e-4}}'
    [alternating]='{"strategy": "separate_optimizers", "optimizers": {"mode": "alternating", "dice": {"type": "adam", "lr": 1e-3}, "ce": {"type": "adam", "lr": 1e-4}}')
# the reference judges whole images: so do we (chasedb1 is 960 x 999)
declare -A parity_tile=([isbi2012]='[512, 512]' [chasedb1]='[960, 1000]')
parity_job() {
    jq -cn --arg set "$1" --arg strategy "$2" --argjson seed "$3" --argjson epochs "$4" --argjson every "$5" --argjson kernels "$6" --argjson tile "${parity_tile[$1]}" \
        --argjson loss "${parity_loss[$2]}, \"dice\": {\"batch\": false, \"smooth_nr\": 1e-6, \"smooth_dr\": 1e-6}}" '
        {name: "\($strategy)-\($seed)", dataset: $set, tags: [$set], seed: $seed, kernels: $kernels, loss: $loss,
         model: {widths: [16, 32, 64, 128], down: "maxpool", norm: "instance", activation: "relu", conv_bias: true},
         training: {epochs: $epochs, steps_per_epoch: 20, batch: 4, patch: [128, 128]}, validation: {every_epochs: $every, tile: $tile, tile_overlap: 0, previews: 1}}'
}
