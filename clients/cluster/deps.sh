#!/bin/sh
# Installs the Debian packages named as arguments that are missing; says which. Uses sudo when not root.
set -eu
if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "deps: not a Debian system; needed here under Debian's names: $*" >&2
    exit 0
fi
missing=
for package in "$@"; do
    status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
echo "deps: installing$missing"
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
install() { DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null; }
install 2>/dev/null || { $sudo apt-get update -qq && install; }
