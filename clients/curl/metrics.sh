#!/bin/sh
# metrics.sh ID [SERIES]: what was measured as CSV; SERIES: names with commas, one that ends in / takes all below: loss/,val/dice
. "$(dirname "$0")/common.sh"
call "$url/v1/jobs/$1/metrics?format=csv${2:+&series=$2}"
