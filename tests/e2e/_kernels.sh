# _kernels.sh: the kernels of a job as JSON, for tests to source.
# shellcheck shell=sh
# Two runs are compared to the last bit: both name the kernels that a run would otherwise choose by measurement.
kernels_of() { # kernels_of LAYER...: micro-batches of 2, the first layer direct, the others Winograd
    algorithm=direct comma=
    printf '"kernels": {"micro_batch": 2, "layers": ['
    for layer; do
        printf '%s{"layer": "%s", "forward": "%s", "backward_data": "%s", "backward_weights": "%s"}' "$comma" "$layer" $algorithm $algorithm $algorithm
        algorithm=winograd comma=", "
    done
    printf ']}'
}
