# strategies.awk: from the lines of strategies.sh to a table. In: net, group, then a line of bench_turns.
function median(list, n,   i, j, x) { # of list[1..n], which it sorts; insertion sort: a few numbers
    for (i = 2; i <= n; i++) {
        x = list[i]
        for (j = i - 1; j >= 1 && list[j] > x; j--) list[j + 1] = list[j]
        list[j + 1] = x
    }
    return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}
# The median over the turns of a word's step by the constant step of the same turn; of several pairs of processes the mean of theirs,
# whose standard error it leaves in `unsure`. 0: not measured.
function ratio(net, word,   i, g, n, r, list, pairs, m, sum, squares) {
    unsure = 0
    for (i = 1; i <= group_count[net, word]; i++) {
        g = group[net, word, i]
        n = 0
        for (r = 0; (net, g, "1", r) in cpu; r++)
            if ((net, g, word, r) in cpu) list[++n] = cpu[net, g, word, r] / cpu[net, g, "1", r]
        if (!n) continue
        m = median(list, n)
        pairs++; sum += m; squares += m * m
    }
    if (pairs > 1 && squares * pairs > sum * sum) unsure = sqrt((squares - sum * sum / pairs) / (pairs - 1) / pairs)
    return pairs ? sum / pairs : 0
}
# What a step may cost at most, relative to the constant one; 0: nothing is asked.
function bound(net, word) {
    if (word ~ /^(uncertainty|dwa|random|loss_scale)$/) return 1.02
    if (word == "famo") return 1.35
    if (word ~ /:(logits|last_layer)/) return 1.05
    if (word ~ /:full$/) return 1.05 * ratio(net, "2")
    if (word ~ /:full:4$/) return 1 + 1.05 * (ratio(net, "2") - 1) / 4 + 0.02
    return 0
}
function tell(net, word, what, value, most) {
    printf "| %s | %s | %.3f | %s |\n", net, what, value, most ? sprintf("%.3f%s", most, value <= most ? "" : " (**over**)") : "-"
}
BEGIN { FS = "\t" }
!($1 in nets) { nets[$1]; order[++net_count] = $1 }
$3 == "turn" { cpu[$1, $2, $4, $5] = $7 }
$3 == "turn" && $4 != "1" && !(($1, $2, $4) in met) {
    met[$1, $2, $4]
    if (!group_count[$1, $4]++) words[$1, ++word_count[$1]] = $4
    group[$1, $4, group_count[$1, $4]] = $2
}
$3 == "turn" && $4 == "1" { constant[$1, ++constants[$1]] = $7 }
$3 == "missing" { missing[$1 ": " $4 ": " $5] }
END {
    print "## What a step of each strategy costs, relative to a constant mix (one thread, processor time, medians of turns)\n"
    print "`METHOD:LEVEL:EVERY`: where and how often the Gram is taken; 2: two optimizers, `simultaneous`. small: widths 16, 32, 64, batch 4 of 64 x 64.\n"
    print "| net | strategy | step | at most |"
    print "|---|---|---|---|"
    for (i = 1; i <= net_count; i++) {
        net = order[i]
        for (k = 1; k <= constants[net]; k++) list[k] = constant[net, k]
        printf "| %s | constant: %.1f ms | 1 | |\n", net, 1e3 * median(list, constants[net])
        for (k = 1; k <= word_count[net]; k++) {
            word = words[net, k]
            if (word !~ /^diagnostics/) tell(net, word, word, ratio(net, word), bound(net, word))
        }
        look = ratio(net, "diagnostics:1"); between = ratio(net, "diagnostics:100")
        if (between && look) tell(net, "", sprintf("diagnostics every 100 steps (a look %.2f of a step; between looks %.4f +- %.4f)", look - 1, between, unsure), \
            between + (look - between) / 100, 1.01)
    }
    for (m in missing) print "\n- not measured: " m
}
