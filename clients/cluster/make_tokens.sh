#!/bin/sh
# make_tokens.sh DIR: three secrets (submit, worker, admin) and DIR/tokens, the file that tandemd reads (their digests only).
# Clients and workers take one: TANDEM_TOKEN_FILE=DIR/worker. An existing DIR/tokens is left as it is.
set -eu
dir=${1:?usage: make_tokens.sh DIR}
mkdir -p "$dir"
chmod 700 "$dir" # the files inside are readable, so that another user inside a container can read the one mounted for it
[ ! -e "$dir/tokens" ] || { echo "make_tokens.sh: $dir/tokens is there already" >&2; exit 0; }
: >"$dir/tokens.part"
for role in submit worker admin; do
    secret=$(od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n')
    printf '%s\n' "$secret" >"$dir/$role"
    printf '%s-1 %s %s\n' "$role" "$role" "$(printf %s "$secret" | sha256sum | cut -c1-64)" >>"$dir/tokens.part"
    chmod 644 "$dir/$role"
done
chmod 644 "$dir/tokens.part"
mv "$dir/tokens.part" "$dir/tokens"
