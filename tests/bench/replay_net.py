# replay_net: the peer's U-Net in plain PyTorch: two convolutions a block, maxpool, instance norm, ReLU, bias, one sigmoid channel.
import torch
import torch.nn as nn
import torch.nn.functional as F


class Block(nn.Sequential):
    def __init__(self, a, b):
        layers = []
        for i in (a, b): layers += [nn.Conv2d(i, b, 3, padding=1), nn.InstanceNorm2d(b, affine=True), nn.ReLU(inplace=True)]
        super().__init__(*layers)


class UNet(nn.Module):
    def __init__(self, channels, widths):
        super().__init__()
        self.down = nn.ModuleList(Block(a, b) for a, b in zip([channels] + widths[:-1], widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in zip(widths[:-1], widths[1:]))
        self.dec = nn.ModuleList(Block(2 * a, a) for a in widths[:-1])
        self.head = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x):
        skips = []
        for k, block in enumerate(self.down):
            x = block(x if k == 0 else F.max_pool2d(x, 2)); skips.append(x)
        for k in reversed(range(len(self.up))): x = self.dec[k](torch.cat([skips[k], self.up[k](x)], 1))
        return self.head(x)

    def named(self, name):
        """Our name of a tensor -> theirs."""
        p = name.split(".")
        if p[0] == "head": return getattr(self.head, p[1])
        if p[2] == "up": return getattr(self.up[int(p[1])], p[3])
        return getattr((self.down if p[0] == "encoder" else self.dec)[int(p[1])][3 * int(p[3]) + (p[2] == "norm")], p[4])

    def names(self):
        """Our names in our order."""
        two, block = ("weight", "bias"), lambda where, l: [f"{where}.{l}.{kind}.{i}.{what}" for i in (0, 1) for kind in ("conv", "norm") for what in ("weight", "bias")]
        all = [name for l in range(len(self.down)) for name in block("encoder", l)]
        for l in reversed(range(len(self.dec))): all += [f"decoder.{l}.up.{what}" for what in two] + block("decoder", l)
        return all + ["head.weight", "head.bias"]
