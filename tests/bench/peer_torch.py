# peer_torch: one training step of the benchmark networks xs and s in PyTorch, timed: the peer that bench_step is held against.
"""usage: peer_torch.py NET THREADS MODE STEPS     NET: xs | s     MODE: eager | channels_last | compile
Prints one line: torch version, mode, median images/s over STEPS steps after two warm-up steps, or 'unavailable: why'.
The network and the loss are those of tests/bench/bench_step.c: U-Net, two 3x3 convolutions a level, stride-2 downs, instance norm,
LeakyReLU 0.01, 2x2 transposed convolutions, no convolution bias, two softmax outputs, 0.5 batch Dice + 0.5 cross-entropy, Adam."""
import statistics
import sys
import time

try:
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
except ImportError as missing:
    print("unavailable:", missing)
    sys.exit(3)

NETS = {"xs": ((16, 32, 64, 128, 256), 128, 16), "s": ((32, 64, 128, 256, 512), 256, 8)}


def conv(cin, cout, stride=1):
    return nn.Sequential(nn.Conv2d(cin, cout, 3, stride, 1, bias=False), nn.InstanceNorm2d(cout, affine=True),
                         nn.LeakyReLU(0.01, inplace=True))


class UNet(nn.Module):
    def __init__(self, widths):
        super().__init__()
        ins = (1,) + widths[:-1]
        self.down = nn.ModuleList(nn.Sequential(conv(i, o, 1 if k == 0 else 2), conv(o, o))
                                  for k, (i, o) in enumerate(zip(ins, widths)))
        pairs = list(zip(widths[:-1], widths[1:]))[::-1]
        self.up = nn.ModuleList(nn.ConvTranspose2d(deep, flat, 2, 2) for flat, deep in pairs)
        self.join = nn.ModuleList(nn.Sequential(conv(2 * flat, flat), conv(flat, flat)) for flat, _ in pairs)
        self.head = nn.Conv2d(widths[0], 2, 1)

    def forward(self, x):
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
        skips.pop()
        for up, block in zip(self.up, self.join):
            x = block(torch.cat([up(x), skips.pop()], 1))
        return self.head(x)


def loss_of(logits, labels):
    p = F.softmax(logits, 1)
    y = F.one_hot(labels, 2).permute(0, 3, 1, 2).to(p.dtype)
    both, total = (p * y).sum((0, 2, 3)), (p + y).sum((0, 2, 3))
    dice = 1 - ((2 * both + 1e-5) / (total + 1e-5)).mean()
    return 0.5 * dice + 0.5 * F.cross_entropy(logits, labels)


def main(net, threads, mode, steps):
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    widths, size, batch = NETS[net]
    model, x, y = UNet(widths), torch.randn(batch, 1, size, size), (torch.rand(batch, size, size) > 0.8).long()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    if mode == "channels_last":
        model, x = model.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    run = torch.compile(model) if mode == "compile" else model

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss_of(run(x), y).backward()
        optimizer.step()

    times = []
    for k in range(steps + 2):
        start = time.perf_counter()
        step()
        if k >= 2:
            times.append(time.perf_counter() - start)
    print("torch %s %s %.3f" % (torch.__version__, mode, batch / statistics.median(times)), flush=True)


try:
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
except Exception as error:  # torch.compile without a compiler, torch 1.13 without torch.compile
    print("unavailable:", str(error).splitlines()[0][:120])
    sys.exit(3)
