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

def bootstrap(pairs, seed):
    n, means = len(pairs), []
    for r in range(ROUNDS):
        place, total = 0, 0.0
        for _ in range(n):
            d = pairs[below(seed, r, place, n)]
            place += 1
            if isinstance(d, list):
                s = 0.0
                for _ in d:
                    s += d[below(seed, r, place, len(d))]
                    place += 1
                total += s / len(d)
            else:
                total += d
        means.append(total / n)
    means.sort()
    tail = NormalDist().cdf(-math.sqrt(n / (n - 1)) * student_quantile(0.975, n - 1))
    flat = [sum(d) / len(d) if isinstance(d, list) else d for d in pairs]
    p = 2 * student(-abs(mean(flat)) / (stdev(means) * math.sqrt(n / (n - 1))), n - 1)
    return {"pairs": pairs, "seed": seed, "mean": mean(flat), "low": quantile(means, tail), "high": quantile(means, 1 - tail), "p": p}

def holm(p):
    order, out, least = sorted(range(len(p)), key=lambda i: p[i]), [0.0] * len(p), 0.0
    for k, i in enumerate(order):
        least = max(least, min(1.0, p[i] * (len(p) - k)))
        out[i] = least
    return {"p": p, "corrected": out}

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
        bootstrap([[0.01, 0.03, -0.02, 0.05], [0.02, 0.0, 0.04], 0.015, [0.03, 0.01], [-0.01, 0.02, 0.06, 0.0, 0.01]], 4)],
    "holm": [holm([0.01, 0.04, 0.03, 0.005]), holm([0.5, 0.2, 0.9]), holm([0.02])],
}, indent=1))
