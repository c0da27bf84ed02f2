# results.awk: from the lines of training.sh to tables. In: net, threads, losses, heat|final|alone|limit, then a line of bench_turns.
function median(key,   i, j, n, v, x) { # of turn[key, 1..turns[key]]; insertion sort: a few numbers
    n = turns[key]
    for (i = 1; i <= n; i++) {
        x = turn[key, i]
        for (j = i - 1; j >= 1 && v[j] > x; j--) v[j + 1] = v[j]
        v[j + 1] = x
    }
    return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}
# The median over the rounds of what contestant `a` took by what `b` took in the same round; 0: not measured.
function relative(net, a, b,   r, key) {
    key = net SUBSEP a SUBSEP b
    for (r = 0; (net, a, r) in alone; r++)
        if ((net, b, r) in alone) turn[key, ++turns[key]] = alone[net, a, r] / alone[net, b, r]
    return turns[key] ? median(key) : 0
}
function rate(cell, who,   m) { m = median(cell SUBSEP who); return m > 0 ? batch[net_of[cell]] / m : 0 }
function trim(text) { gsub(/^ +| +$/, "", text); return text }
function flush_cell(cell,   w, i, ours, text) {
    ours = rate(cell, "ours")
    text = sprintf("| %s | %s | %s | %.2f", net_of[cell], threads_of[cell], losses_of[cell], ours)
    for (i = 1; i <= peers; i++) {
        w = final_of[cell, peer[i]]
        if (w == "") { text = text " | - | -"; continue }
        text = text sprintf(" | %.2f (%s) | **%.2f**", rate(cell, w), substr(w, index(w, ":") + 1), rate(cell, w) > 0 ? ours / rate(cell, w) : 0)
    }
    print text " |"
}
BEGIN { FS = "\t"; batch["xs"] = 16; batch["s"] = 8 }
$4 == "alone" && $5 == "turn" { alone[$1, $6, $7] = $8; if (!($1 in of_alone)) alone_nets[++alone_count] = $1; of_alone[$1] = $7 + 1 }
$4 == "alone" && $5 == "missing" { missing[$1 " alone: " $6 ": " $7] }
$4 == "alone" { next }
{ cell = $1 SUBSEP $2 SUBSEP $3 SUBSEP $4; net_of[cell] = $1; threads_of[cell] = $2; losses_of[cell] = $3 }
$4 == "final" && !(cell in seen) { seen[cell]; cells[++count] = cell }
$4 == "limit" && !(cell in limits) { limits[cell]; limit_cells[++limit_count] = cell }
{ who = $6; version = substr(who, 1, index(who, ":") - 1) }
version != "" && !(version in known) { known[version]; peer[++peers] = version }
$5 == "turn" { turn[cell, who, ++turns[cell SUBSEP who]] = $8; cpu[cell, who] += $9 }
$5 == "turn" && $4 == "final" && version != "" { final_of[cell, version] = who }
$5 == "ready" && ($4 == "final" || who == "limit") { says[who] = $7 }
$5 == "missing" { missing[$1 ", " $2 " threads" ($4 == "heat" ? "" : ", " $3 " losses") ": " who ": " $7] }
{ part = $1 SUBSEP $3 }
$5 == "profile" && who == "ours" && match($7, /^  [a-z+ ]+  +-?[0-9.]+ +-?[0-9.]+ %/) {
    split(substr($7, 3), word, /  +/)
    kind = trim(word[1])
    if (!((part, kind) in ours_ms)) kinds[part, ++kind_count[part]] = kind
    ours_ms[part, kind] = word[2]
}
$5 == "profile" && who == "limit" { # KEY VALUE..., tab between
    if ($7 == "kind") limit_ms[part, $8] = $9
    else if ($7 == "layer") layers[part, ++layer_count[part]] = "| " $8 " | " $9 " | " $10 " | " $11 " | " $12 " |"
    else limit[part, $7] = $8
}
END {
    print "## Training steps, images a second (medians of turns, interleaved in one run)\n"
    for (who in says) notes[++n] = who ": " says[who]
    for (i = 2; i <= n; i++) { x = notes[i]; for (j = i - 1; j >= 1 && notes[j] > x; j--) notes[j + 1] = notes[j]; notes[j + 1] = x }
    for (i = 1; i <= n; i++) print "- " notes[i]
    print "\nxs: batch 16 of 128 x 128; s: batch 8 of 256 x 256. Losses 1: 0.5 Dice + 0.5 cross-entropy, one Adam; 2: a gradient and an Adam each."
    print "Of each PyTorch the mode that was fastest in a heat before. Ours reads and augments its samples and keeps its metrics; the peer's input stays.\n"
    head = "| net | threads | losses | ours"; line = "|---|---|---|---"
    for (i = 1; i <= peers; i++) { head = head " | " peer[i] " | ratio"; line = line "|---|---" }
    print head " |"; print line "|"
    for (c = 1; c <= count; c++) flush_cell(cells[c])
    print ""
    if (alone_count) print "Turns of ours alone, medians of the ratios within a turn:\n"
    for (i = 1; i <= alone_count; i++) {
        net = alone_nets[i]
        if ((x = relative(net, "1.0", "2.0")) > 0) printf "- in the turns of %s: two threads of nothing but multiply-adds in registers are %.2f times one\n", net, x
        for (l = 1; l <= 2; l++)
            if ((x = relative(net, "1." l, "2." l)) > 0) printf "- %s, %d loss%s: two threads are %.2f times one (%d turns)\n", net, l, (l == 1 ? "" : "es"), x, of_alone[net]
        for (t = 1; t <= 2; t++)
            if ((x = relative(net, t ".2", t ".1")) > 0) printf "- %s, %d thread%s: a two-loss step costs %.2f times a one-loss step\n", net, t, (t == 1 ? "" : "s"), x
    }
    for (m in missing) print "- not measured: " m
    for (c = 1; c <= limit_count; c++) {
        cell = limit_cells[c]; net = net_of[cell]; l = losses_of[cell]; part = net SUBSEP l
        wall = 1e3 * median(cell SUBSEP "ours") / batch[net]
        printf "\n### %s, one thread, %s: %.2f ms an image\n\n", net, l == 1 ? "one loss" : "two losses", wall
        if ((part, "total") in limit) {
            printf "FMA peak of a core %.1f GFLOP/s; a step is %.2f GFLOP an image: %.1f GFLOP/s, **%.0f %% of peak** (Winograd saves multiplications, so more than 100 %% is possible).\n", \
                limit[part, "peak"], limit[part, "gflop"], limit[part, "gflop"] / wall * 1e3, 100 * limit[part, "gflop"] / wall * 1e3 / limit[part, "peak"]
            printf "The machine's limit, in turns with ours (%d), is %.2f ms an image: ours is at **%.0f %% of the limit**.\n\n", turns[cell SUBSEP "ours"], limit[part, "total"], 100 * limit[part, "total"] / wall
            if (l == 2 && limit[net, 1, "total"] > 0)
                printf "At the limit a step with two losses costs %.2f times one with one loss: what the two share is all of forward and the transforms of the inputs, not the products.\n\n", limit[part, "total"] / limit[net, 1, "total"]
        } else print "The machine's limit was not measured.\n"
        print "| kind of op | ours, ms/image | share | limit, ms/image | of the limit |"; print "|---|---|---|---|---|"
        for (k = 1; k <= kind_count[part]; k++) {
            kind = kinds[part, k]
            if (kind == "all" || ours_ms[part, kind] + 0 < 0.0005) continue
            has = ((part, kind) in limit_ms)
            printf "| %s | %.3f | %.1f %% | %s | %s |\n", kind, ours_ms[part, kind], 100 * ours_ms[part, kind] / ours_ms[part, "all"], \
                has ? sprintf("%.3f", limit_ms[part, kind]) : "-", has ? sprintf("%.0f %%", 100 * limit_ms[part, kind] / ours_ms[part, kind]) : "-"
        }
        if (!layer_count[part]) continue
        print "\nBest primitive of each layer alone in a loop: ms/image, GFLOP/s, algorithm and samples a call\n"
        print "| layer | forward | backward data | backward weights | data and weights |"; print "|---|---|---|---|---|"
        for (i = 1; i <= layer_count[part]; i++) print layers[part, i]
    }
}
