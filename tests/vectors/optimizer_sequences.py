#!/usr/bin/python3
# optimizer_sequences.py: five steps of the update rules as PyTorch's documentation spells them (torch.optim 1.13: Adam, AdamW,
# SGD), in plain double arithmetic: the rows of optimizer_sequences.inc. With torch at hand the same lines come from torch.optim.
from math import sqrt

def sgd(w, g, s, t, lr, momentum=0, nesterov=False, weight_decay=0, **_):
    g = g + weight_decay * w
    if momentum:
        s["b"] = g if t == 1 else momentum * s["b"] + g
        g = g + momentum * s["b"] if nesterov else s["b"]
    return w - lr * g

def adam(w, g, s, t, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, decoupled=False, **_):
    if decoupled: w = w - lr * weight_decay * w
    else: g = g + weight_decay * w
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g * g
    return w - lr * (s["m"] / (1 - betas[0] ** t)) / (sqrt(s["v"] / (1 - betas[1] ** t)) + eps)

def adamw(*a, **k): return adam(*a, decoupled=True, **k)

rows = [("adam", adam, dict(lr=0.1)), ("adam with weight decay", adam, dict(lr=0.1, weight_decay=0.05)),
        ("adam with other betas", adam, dict(lr=0.02, betas=(0.5, 0.9), eps=1e-3)), ("adamw", adamw, dict(lr=0.1, weight_decay=0.05)),
        ("sgd", sgd, dict(lr=0.1)), ("sgd with momentum", sgd, dict(lr=0.1, momentum=0.9)),
        ("sgd nesterov", sgd, dict(lr=0.1, momentum=0.99, nesterov=True, weight_decay=0.05))]
for name, rule, opts in rows:
    w, s = [1.0, -2.0, 0.5], [{}, {}, {}]
    for t in range(1, 6):
        g = [0.1 * t, -0.3, 0.05 * t * t - 0.4]
        w = [rule(w[i], g[i], s[i], t, **opts) for i in range(3)]
    b = opts.get("betas", (0.9, 0.999))
    print(f'{{"{name}", {{.type = OPTIMIZER_{rule.__name__.upper()}, .lr = {opts["lr"]}, .betas = {{{b[0]}, {b[1]}}}, .eps = {opts.get("eps", 1e-8)}, '
          f'.momentum = {opts.get("momentum", 0)}, .nesterov = {str(opts.get("nesterov", False)).lower()}, .weight_decay = {opts.get("weight_decay", 0)}}}, '
          f'{{{", ".join(repr(x) for x in w)}}}}},')
