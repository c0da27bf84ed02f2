# loss_comparison.jq: the table of the README from a report: a row a variant, mean ± deviation over seeds, the verdict beside the reference.
def digits(n): if . == null then "-" else (. * pow(10; n) | round | tostring) as $d
    | (if $d | startswith("-") then ["-", $d[1:]] else ["", $d] end) as [$sign, $all]
    | ("0" * ([n + 1 - ($all | length), 0] | max)) as $zeros | (($zeros // "") + $all) as $all
    | $sign + $all[:-n] + "." + $all[-n:] end;
def cell(name; n): .scores[name] | if . == null or .mean == null then "-" else (.mean | digits(n)) + (if .deviation == null then "" else " ± " + (.deviation | digits(n)) end) end;
.reference as $reference | .comparisons as $all |
"| variant | Dice | Dice per image | NSD | HD95 | ECE | Dice beside \($reference) |", "|---|---|---|---|---|---|---|",
(.variants[] | .name as $name | ([$all[] | select(.variant == $name and .score == "val/dice")] | first) as $c
    | "| \($name) | \(cell("val/dice"; 4)) | \(cell("val/dice_image"; 4)) | \(cell("val/nsd"; 3)) | \(cell("val/hd95"; 2)) | \(cell("val/ece"; 3)) | \(if $c == null then "" else ($c.difference | digits(4) | if . == "-0.0000" then "0.0000" else . end | if startswith("-") then . else "+" + . end) + ", " + $c.word end) |")
