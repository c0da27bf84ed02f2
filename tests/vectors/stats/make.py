#!/usr/bin/env python3
# make.py: golden numbers of server/stats.c from another hand: Python integers, math, statistics.NormalDist, and NumPy's quantile where it is there.
# python3 tests/vectors/stats/make.py > tests/vectors/stats/stats.json
import json, math
from statistics import NormalDist, mean, stdev
MASK, ROUNDS = (1 << 64) - 1, 20000

def mix(x):
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)

def below(seed, stream, index, n):
    return mix(mix(mix(seed) ^ stream) ^ index) * n >> 64

def student(t, n):  # by Simpson's rule on the density: not the sum that the C code uses
    c = math.exp(math.lgamma((n + 1) / 2) - math.lgamma(n / 2)) / math.sqrt(n * math.pi)
    steps, a = 20000, abs(t)
    h = a / steps
    f = lambda x: c * (1 + x * x / n) ** (-(n + 1) / 2)
    area = f(0) + f(a) + 4 * sum(f((2 * i + 1) * h) for i in range(steps // 2)) + 2 * sum(f(2 * i * h) for i in range(1, steps // 2))
    area *= h / 3
    return 0.5 + math.copysign(area, t)

def student_quantile(p, n):
    low, high = -200.0, 200.0
    for _ in range(80):
        m = (low + high) / 2
        low, high = (m, high) if student(m, n) < p else (low, m)
    return (low + high) / 2

def quantile(x, p):
    at = p * (len(x) - 1)
    k = math.floor(at)
    return x[k] + (at - k) * (x[min(k + 1, len(x) - 1)] - x[k])

SETS = 1 << 32

def bootstrap(pairs, seed, redrawn=None, sets=None, units=0):  # redrawn[i]: differences with the images drawn anew, or None; sets[i]: on which images
    n, means = len(pairs), []
    for r in range(ROUNDS):
        total = 0.0
        for place in range(n):
            i = below(seed, r, place, n)
            with_images = redrawn and redrawn[i]
            total += with_images[below(seed, r, SETS + sets[i], len(with_images))] if with_images else pairs[i]
        means.append(total / n)
    means.sort()
    every, seeds, freedom = stdev(means) ** 2, stdev(pairs) ** 2 / n * (n - 1) / n, n - 1
    if redrawn and every > seeds:  # Welch and Satterthwaite over the seeds and what the images add
        parts = [(seeds * n / (n - 1), n - 1), ((every - seeds) * units / (units - 1), units - 1)]
        freedom = math.floor(sum(v for v, _ in parts) ** 2 / sum(v * v / f for v, f in parts))
        width = math.sqrt(sum(v for v, _ in parts))
    else:
        width = math.sqrt(every * n / (n - 1))
    tail = NormalDist().cdf(-width / math.sqrt(every) * student_quantile(0.975, freedom))
    p = 2 * student(-abs(mean(pairs)) / width, freedom)
    return {"pairs": pairs, "redrawn": redrawn or [None] * n, "sets": sets or [0] * n, "units": units, "seed": seed, "mean": mean(pairs), "low": quantile(means, tail),
            "high": quantile(means, 1 - tail), "p": p}

def holm(p):
    order, out, least = sorted(range(len(p)), key=lambda i: p[i]), [0.0] * len(p), 0.0
    for k, i in enumerate(order):
        least = max(least, min(1.0, p[i] * (len(p) - k)))
        out[i] = least
    return {"p": p, "corrected": out}

REDRAWS, REDRAW_SEED, GROUPS = 1000, 0x1ba9e5, 256

def redraws(images, shown):  # the first `shown` redraws of pooled Dice, Dice of class 1, Dice as the mean over images, NSD; images: {class: columns}
    n = len(images[1]["both"])
    groups = min(n, GROUPS)
    members = [[i for i in range(n) if i * groups // n == g] for g in range(groups)]
    dice = lambda both, every: 2 * both / every if every else None
    average = lambda xs: sum(xs) / len(xs) if xs else None
    foreground = [k for k in images if k > 0]
    def of_image(i, column):
        values = [dice(images[k]["both"][i], images[k]["predicted"][i] + images[k]["truth"][i]) if column == "dice" else images[k][column][i] for k in foreground]
        return average([v for v in values if v is not None])
    out = {"val/dice": [], "val/dice/1": [], "val/dice_image": [], "val/nsd": []}
    for r in range(shown):
        drawn = [i for k in range(groups) for i in members[below(REDRAW_SEED, r, k, groups)]]
        pooled = {k: dice(sum(images[k]["both"][i] for i in drawn), sum(images[k]["predicted"][i] + images[k]["truth"][i] for i in drawn)) for k in foreground}
        out["val/dice"].append(average([v for v in pooled.values() if v is not None]))
        out["val/dice/1"].append(pooled[1])
        for name, column in (("val/dice_image", "dice"), ("val/nsd", "nsd")):
            out[name].append(average([v for v in (of_image(i, column) for i in drawn) if v is not None]))
    classes = [{"index": k, "name": f"class {k}", **images[k]} for k in images]
    return {"images": {"epoch": 3, "empty": "nan", "ids": [f"image_{i}" for i in range(n)], "classes": classes}, "scores": out}

def columns(n, scale, empty):  # pixels of n images; in every `empty`-th the class is nowhere
    truth = [0 if i % empty == 1 else 20 * scale + below(9, scale, i, 50) for i in range(n)]
    both = [t - below(9, scale + 1, i, t // 2) if t else 0 for i, t in enumerate(truth)]
    return {"both": both, "predicted": [b + (below(9, scale + 2, i, 9) if b else 0) for i, b in enumerate(both)], "truth": truth,
            "nsd": [b / t if t else None for b, t in zip(both, truth)]}

x = [0.71, 0.705, 0.69, 0.74, 0.722]
print(json.dumps({
    "summary": {"x": x, "mean": mean(x), "deviation": stdev(x)},
    "student": [{"t": t, "freedom": n, "share": student(t, n)} for t, n in [(-3.2, 1), (-1.5, 2), (0.7, 3), (2.776445, 4), (-4.1, 5), (1.2, 9), (-2.5, 30)]],
    "student_quantile": [{"share": 0.975, "freedom": n, "t": student_quantile(0.975, n)} for n in (2, 4, 7, 19)],
    "normal_quantile": [{"share": p, "z": NormalDist().inv_cdf(p)} for p in (0.0001, 0.025, 0.4, 0.9, 0.999)],
    "bootstrap": [
        bootstrap([0.02, 0.013, 0.031, -0.004, 0.017], 1),
        bootstrap([0.02, -0.013, 0.031, -0.024, 0.007, 0.001], 2),
        bootstrap([0.05, 0.06, 0.055, 0.07, 0.052, 0.061, 0.066], 3),
        bootstrap([0.02, 0.015, 0.03, 0.01], 4, [[0.01, 0.03, 0.025, 0.015], None, [0.02, 0.04, 0.035, 0.025], [-0.01, 0.02, 0.03, 0.0]], [0, 0, 0, 1], 21)],
    "redraws": [redraws({0: columns(7, 9, 99), 1: columns(7, 1, 3), 2: columns(7, 3, 4)}, 6), redraws({1: columns(300, 2, 5)}, 4)],
    "holm": [holm([0.01, 0.04, 0.03, 0.005]), holm([0.5, 0.2, 0.9]), holm([0.02])],
}, indent=1))
