# replay_torch: a U-Net in plain PyTorch, trained from our first weights on our crops, its losses and scores beside ours.
# usage: replay_torch.py JOB.json OUT   (what bench_replay wrote; widths of any length, two convolutions a block, maxpool, instance norm,
# ReLU, bias; two classes as one sigmoid channel; constant, scheduled linear, separate simultaneous or alternating with Adam)
import json, sys
import numpy as np
import torch
import torch.nn.functional as F
from replay_net import UNet

job, out = json.load(open(sys.argv[1])), sys.argv[2]
torch.manual_seed(0); torch.set_num_threads(1)


def losses(z, y, smooth):
    p = torch.sigmoid(z[:, 0]); y = y.float()
    dice = 1 - ((2 * (p * y).sum((1, 2)) + smooth) / (p.sum((1, 2)) + y.sum((1, 2)) + smooth)).mean()
    return dice, F.binary_cross_entropy_with_logits(z[:, 0], y)


@torch.no_grad()
def score(net, images, step):
    both = either = 0
    for x, y in images:
        h, w = y.shape
        x = np.pad(x, ((0, 0), (0, -h % step), (0, -w % step)), mode="edge")
        p = net(torch.from_numpy(x)[None])[0, 0, :h, :w].numpy() > 0
        both += (p & (y == 1)).sum(); either += p.sum() + (y == 1).sum()
    return 2 * both / either


t, widths = job["training"], job["model"]["widths"]
weights, ours = np.fromfile(out + "/weights.f32", np.float32), {}
rows = [line.split() for line in open(out + "/weights.txt")]
channels = int(rows[0][4])
net = UNet(channels, widths)
with torch.no_grad():
    for name, first, count, *shape in rows:
        tensor = net.named(name)
        assert list(tensor.shape) == [int(s) for s in shape], name
        tensor.copy_(torch.from_numpy(weights[int(first):int(first) + int(count)].reshape(tensor.shape)))
assert sum(p.numel() for p in net.parameters()) == len(weights)
for line in open(out + "/points.tsv"):
    name, step, value = line.split("\t")
    ours.setdefault(name, {})[int(step)] = float(value)
h, w = t["patch"]; batch, per_epoch = t["batch"], t["steps_per_epoch"]
x = np.memmap(out + "/crops.f32", np.float32, "r").reshape(-1, batch, channels, h, w)
y = np.memmap(out + "/crops.u8", np.uint8, "r").reshape(-1, batch, h, w)
values, classes, val, at = np.memmap(out + "/val.f32", np.float32, "r"), np.memmap(out + "/val.u8", np.uint8, "r"), [], 0
for line in open(out + "/val.txt"):
    a, b = map(int, line.split())
    val.append((values[at * channels:(at + a * b) * channels].reshape(channels, a, b), classes[at:at + a * b].reshape(a, b))); at += a * b

loss, params = job["loss"], list(net.parameters())
smooth, separate = loss["dice"]["smooth_nr"], loss["strategy"] == "separate_optimizers"
mode = loss["optimizers"]["mode"] if separate else loss["strategy"]
rates = [loss["optimizers"][k]["lr"] for k in ("dice", "ce")] if separate else [1e-3]
optimizers = [torch.optim.Adam(params, lr=r) for r in rates]
best = [0, 0]
print("torch %s; a row an epoch: mean |difference| of the losses over its steps, validation Dice of theirs and ours" % torch.__version__)
for epoch in range(t["epochs"]):
    off = []
    for step in range(epoch * per_epoch, (epoch + 1) * per_epoch):
        a, b = torch.from_numpy(np.array(x[step])), torch.from_numpy(np.array(y[step]))
        dice, ce = losses(net(a), b, smooth)
        if mode == "alternating":
            for k in (0, 1):
                if k: ce = losses(net(a), b, smooth)[1]
                optimizers[k].zero_grad(); (ce if k else dice).backward(); optimizers[k].step()
        elif mode == "simultaneous":
            gradients = [torch.autograd.grad(dice, params, retain_graph=True), torch.autograd.grad(ce, params)]
            for k in (0, 1):
                for p, g in zip(params, gradients[k]): p.grad = g
                optimizers[k].step()
        else:
            alpha = loss["alpha"] if mode == "constant" else 1 - epoch / t["epochs"]
            optimizers[0].zero_grad(); (alpha * dice + (1 - alpha) * ce).backward(); optimizers[0].step()
        off.append((abs(dice.item() - ours["loss/dice"][step]), abs(ce.item() - ours["loss/ce"][step])))
    mine = score(net, val, 2 ** (len(widths) - 1)); best = [max(best[0], mine), max(best[1], ours["val/dice"][epoch])]
    print("%3d  dice %.6f  ce %.6f   val %.4f %.4f" % (epoch, *np.mean(off, 0), mine, ours["val/dice"][epoch]), flush=True)
print("best val Dice: theirs %.4f, ours %.4f" % tuple(best))
