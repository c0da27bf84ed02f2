# peer_torch: the peer of bench_step: the same network, losses and steps in PyTorch, a few steps whenever it is told to.
"""usage: peer_torch.py NET THREADS LOSSES MODE
NET: xs | s     LOSSES: 1 | 2     MODE: eager | channels_last | jit | compile | compile_channels_last

Network: U-Net, two 3x3 convolutions a level, stride-2 downs, instance norm, LeakyReLU 0.01 (in place), 2x2 transposed
convolutions, no convolution bias, two softmax outputs. Loss: batch Dice and cross-entropy.
  LOSSES 1: 0.5 Dice + 0.5 cross-entropy, one backward, one Adam.
  LOSSES 2: one forward, a gradient of each loss (torch.autograd.grad, the graph kept for the second), an Adam for each.
jit: torch.jit.trace of the network. compile: torch.compile (inductor, default mode) of network and losses in one.
Adam is the fused one where this PyTorch has it for the CPU, else foreach. Gradients are set to None, not to zero.
Input is made once and stays: reading and augmenting samples is not part of a step here (of ours it is).

Says "ready VERSION, what runs" after a warm-up of WARM_UP steps (environment; 3), or "unavailable: why" and ends with status 3. Then
for each line N on stdin it does N steps and says "WALL CPU" in seconds; it ends with stdin. BATCH=n (environment): samples a step."""
import os
import sys
import time

NETS = {"xs": ((16, 32, 64, 128, 256), 128, 16), "s": ((32, 64, 128, 256, 512), 256, 8)}
WARM_UP = int(os.environ.get("WARM_UP", 3))
net, threads, losses, mode = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # before the libraries wake up
    os.environ[name] = str(threads)

try:
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
except ImportError as missing:
    print("unavailable:", missing)
    sys.exit(3)


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
        deepest = skips.pop()
        x = deepest
        for up, block in zip(self.up, self.join):
            x = block(torch.cat([skips.pop(), up(x)], 1))
        return self.head(x)


def losses_of(logits, labels, onehot):
    p = F.softmax(logits, 1)
    both, total = (p * onehot).sum((0, 2, 3)), (p + onehot).sum((0, 2, 3))
    dice = 1 - ((2 * both + 1e-5) / (total + 1e-5)).mean()
    return dice, F.cross_entropy(logits, labels)


def adam(parameters, lr):
    try:
        return torch.optim.Adam(parameters, lr, fused=True), "fused Adam"
    except (TypeError, RuntimeError, ValueError):
        return torch.optim.Adam(parameters, lr, foreach=True), "foreach Adam"


def prepare():
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    widths, size, batch = NETS[net]
    batch = int(os.environ.get("BATCH", batch))
    model, x, y = UNet(widths), torch.randn(batch, 1, size, size), (torch.rand(batch, size, size) > 0.8).long()
    onehot = F.one_hot(y, 2).permute(0, 3, 1, 2).float().contiguous()
    if mode.endswith("channels_last"):
        form = {"memory_format": torch.channels_last}
        model, x, onehot = model.to(**form), x.contiguous(**form), onehot.contiguous(**form)
    parameters = list(model.parameters())
    first, what = adam(parameters, 1e-3)
    second = adam(parameters, 1e-3)[0] if losses == 2 else None
    run = torch.jit.trace(model, x) if mode == "jit" else model

    def look():
        return losses_of(run(x), y, onehot)

    if mode.startswith("compile"):
        if not hasattr(torch, "compile"):
            raise RuntimeError("this PyTorch has no torch.compile")
        if losses == 2:  # the graph is walked twice: its buffers may not be given away on the first walk
            torch._functorch.config.donated_buffer = False
        look = torch.compile(look)

    def one():
        first.zero_grad(set_to_none=True)
        dice, ce = look()
        (0.5 * dice + 0.5 * ce).backward()
        first.step()

    def two():
        dice, ce = look()
        gradients = torch.autograd.grad(dice, parameters, retain_graph=True), torch.autograd.grad(ce, parameters)
        for optimizer, gradient in zip((first, second), gradients):
            for p, g in zip(parameters, gradient):
                p.grad = g
            optimizer.step()

    step = two if losses == 2 else one
    for _ in range(WARM_UP):
        step()
    return step, "%s, %s, %s" % (torch.__version__, torch.backends.cpu.get_cpu_capability() if hasattr(torch.backends, "cpu") and hasattr(
        torch.backends.cpu, "get_cpu_capability") else "?", what)


try:
    step, text = prepare()
except Exception as error:  # torch.compile without a compiler, torch 1.13 without torch.compile
    print("unavailable:", (str(error).splitlines() or [repr(error)])[0][:160])
    sys.exit(3)
print("ready", text, flush=True)
for line in sys.stdin:
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(int(line)):
        step()
    print("%.6f %.6f" % (time.perf_counter() - wall, time.process_time() - cpu), flush=True)
