#!/bin/sh
# dataset.sh NAME ARCHIVE|FOLDER: register a data set: a tar or zip with a dataset.json in it (a folder is packed here).
# dataset.sh NAME '{"generate": {"kind": "lesions", "images": 64}}': one that is drawn when it is needed.
. "$(dirname "$0")/common.sh"
case $2 in
{*) call -X PUT -H 'Content-Type: application/json' -d "$2" "$url/v1/datasets/$1" ;;
*)
    archive=$2
    if [ -d "$2" ]; then
        archive=$(mktemp)
        trap 'rm -f "$archive"' EXIT
        tar -C "$2" -cf "$archive" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner .
    fi
    sum=$(sha256sum "$archive" | cut -d' ' -f1)
    call -H "Tandem-Sha256: $sum" -T "$archive" "$url/v1/datasets/$1"
    ;;
esac
echo
