#!/bin/sh
# The floors and doors of the house: which folder may include what. Prints each line that breaks a rule.
set -u
bad=0
no() { # no MESSAGE PATTERN PLACE...: none of the files under PLACE may match PATTERN
    message=$1 pattern=$2; shift 2
    [ $# -gt 0 ] || return 0
    if grep -rnE --include='*.[ch]' --include='*.cu' "$pattern" "$@" 2>/dev/null; then
        echo "layers: $message" >&2; bad=1
    fi
}
door() { # door HEADER FILE_PATTERN: only files that match may include HEADER
    found=$(grep -rlE --include='*.[ch]' --include='*.cu' "#include <$1>" schema server worker clients 2>/dev/null | grep -vE "$2")
    if [ -n "$found" ]; then
        echo "layers: <$1> comes in through $2 only, not through:" $found >&2; bad=1
    fi
}
no "schema stands on nothing of ours" '^#include "(server|worker|clients|tests)/' schema
no "schema/base stands on itself" '^#include "schema/(job|api)/' schema/base
no "schema/job and schema/api stand on base" '^#include "schema/api/' schema/job
no "server includes schema and server" '^#include "(worker|clients|tests)/' server
no "worker includes schema and worker" '^#include "(server|clients|tests)/' worker
no "clients include schema and clients" '^#include "(server|worker|tests)/' clients
no "net stands below data, train, run and the agent" '^#include "worker/(data|train|run|[a-z_]+\.h)' worker/net
no "data stands below train, run and the agent" '^#include "worker/(train|run|[a-z_]+\.h)' worker/data
no "train stands below run and the agent" '^#include "worker/(run|[a-z_]+\.h)' worker/train
no "run stands below the agent" '^#include "worker/[a-z_]+\.h' worker/run
no "the agent starts tandem-train, it does not link it" '^#include "worker/(net|data|train)/' $(ls worker/*.[ch] 2>/dev/null)
no "the core knows neither JSON nor HTTP" '^#include <(jansson|curl)' worker/net
no "includes are written from the root" '^#include "\.\.?/' schema server worker clients tests
door 'microhttpd\.h' '^server/http[a-z_]*\.c$'
door 'sqlite3\.h' '^server/store[a-z_]*\.[ch]$'
door 'curl/curl\.h' '^schema/api/api_try\.c$'
door '(oneapi/dnnl/)?dnnl\.h' '^worker/net/(backend_dnnl|dnnl_shim)\.[ch]$'
door 'png\.h' '^worker/data/(read|write)_png\.c$'
door 'jpeglib\.h' '^worker/data/read_jpeg\.c$'
door 'archive(_entry)?\.h' '^worker/data/archive_unpack\.c$'
door 'nettle/[a-z0-9]+\.h' '^schema/base/sha256\.[ch]$'
names=$(find schema server worker clients tests \( -name '*.c' -o -name '*.h' \) -print 2>/dev/null | sed 's#.*/##' | sort | uniq -d)
[ -z "$names" ] || { echo "layers: basenames used twice:" $names >&2; bad=1; }
for file in $(find schema server worker clients tests \( -name '*.c' -o -name '*.h' \) -print 2>/dev/null); do
    head -1 "$file" | grep -q '^/\* ' || { echo "layers: $file: the first line does not say what lives there" >&2; bad=1; }
done
exit $bad
