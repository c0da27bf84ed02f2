# Tokens made by clients/cluster/make_tokens.sh: a worker without one, or with the wrong role, leaves with 77; with its own it works; no token
# stands in the child's environment, in the data folder or in any log.
. "$TANDEM_ROOT/tests/e2e/_lib.sh"
sh "$TANDEM_ROOT/clients/cluster/make_tokens.sh" tokens
start_daemon --token-file tokens/tokens
leaves_with() { # leaves_with STATUS FLAG...
    want=$1; shift
    start_worker "$@"
    got=0
    wait "$worker" || got=$?
    [ "$got" = "$want" ] || fail "worker $*: status $got, not $want"
}
leaves_with 77
leaves_with 77 --token-file tokens/submit
leaves_with 78 --token-file tokens/absent
leaves_with 64 --no-such-flag

start_worker --token-file tokens/worker
write_job job.json 400 1
curl -sS -o refused.json -w '%{http_code}' -d @job.json "$server/v1/jobs" | grep -q 401 || fail "submit without a token"
curl -sS -o refused.json -w '%{http_code}' -H "Authorization: Bearer $(cat tokens/worker)" -d @job.json "$server/v1/jobs" | grep -q 403 || fail "submit with a worker's token"
id=$(curl -fsS -H "Authorization: Bearer $(cat tokens/submit)" -d @job.json "$server/v1/jobs" | field_of id)
wait_until 20 "the job trains" grep -qs "child.started job=$id" "$worker_log"
child=$(child_of "$worker_log")
[ -r "/proc/$child/environ" ] || fail "no training process"
for role in submit worker admin; do
    secret=$(cat tokens/$role)
    ! tr '\0' '\n' <"/proc/$child/environ" | grep -q "$secret" || fail "the child holds the $role token"
    ! tr '\0' '\n' <"/proc/$child/cmdline" | grep -q "$secret" || fail "the child's arguments hold the $role token"
    ! grep -rqs "$secret" data cache *.log || fail "the $role token stands in: $(grep -rls "$secret" data cache *.log)"
done
! tr '\0' '\n' <"/proc/$child/environ" | grep -q '^TANDEM_\(TOKEN\|SERVER\)' || fail "the child knows the server"
