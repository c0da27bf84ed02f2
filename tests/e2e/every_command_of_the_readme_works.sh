# Runs the README's curl block and the job and data commands as they stand, against a daemon and a worker of this test.
. "$TANDEM_ROOT/tests/e2e/_lib.sh"
command -v jq >/dev/null || skip "jq is not installed"
ln -s "$TANDEM_ROOT/schema" schema
mkdir -p build/plain && ln -s "$TANDEM_BIN" build/plain/bin
lease_ms=30000 start_daemon
threads=2 start_worker

"$TANDEM_BIN/tandem-train" generate --out FOLDER --seed 3 >generate.log || fail "generate"

# block N: the text between the N-th ```sh readme-test fence and its end, with this daemon's address
block() { awk -v n="$1" '/^```sh readme-test/ {k++; on = k == n; next} /^```/ {on = 0} on' "$TANDEM_ROOT/README.md" | sed "s|localhost:8080|127.0.0.1:$port|g"; }
blocks=$(grep -c '^```sh readme-test' "$TANDEM_ROOT/README.md")
[ "$blocks" -ge 2 ] || fail "the README has $blocks blocks marked readme-test, at least 2 are meant to be run"
n=0
while [ $n -lt "$blocks" ]; do
    n=$((n + 1))
    block $n >block-$n.sh
    [ -s block-$n.sh ] || fail "block $n is empty"
    TANDEM_SERVER=$server bash -euxo pipefail block-$n.sh >block-$n.log 2>&1 || fail "block $n of the README: $(tail -n 5 block-$n.log)"
    ! grep -q '"status": *5[0-9][0-9]' block-$n.log || fail "block $n met a server error"
done
[ "$(curl -fsS "$server/v1/jobs?limit=500" | jq -r '.jobs[-1].state')" = succeeded ] || fail "the README's first job did not succeed"
[ -s model.safetensors ] || fail "no model came"
curl -fsS "$server/v1/datasets/mine" | grep -q '"sha256"' || fail "the README's data set is not there"
