# replay_draw: first weights as PyTorch draws them and crops as numpy does, in the form that bench_replay takes instead of our own draws.
# usage: replay_draw.py JOB.json DATA FROM   (JOB: as replay_torch.py takes; DATA: a set of two classes; FROM: an existing folder; the
# job's seed is torch's and numpy's). Writes weights.f32, crops.f32, crops.u8: uniform images, places and mirrors, one draw after the other.
import json, sys
import numpy as np
import torch
from PIL import Image
from replay_net import UNet

job, data, out = json.load(open(sys.argv[1])), sys.argv[2], sys.argv[3]
t, widths, about = job["training"], job["model"]["widths"], json.load(open(data + "/dataset.json"))
torch.manual_seed(job["seed"])
draw = np.random.RandomState(job["seed"])
net = UNet(about["channels"], widths)
weights = torch.cat([net.named(name).detach().ravel() for name in net.names()])
weights.numpy().astype(np.float32).tofile(out + "/weights.f32")


def read(item):
    """A training image, z-scored channel by channel as ours is, and its classes."""
    x = np.atleast_3d(np.asarray(Image.open(data + "/" + item["image"]), np.float64)).transpose(2, 0, 1)[:about["channels"]]
    x = (x - x.mean((1, 2), keepdims=True)) / (x.std((1, 2), keepdims=True) + 1e-6)
    y, labels = np.asarray(Image.open(data + "/" + item["mask"])).astype(np.int64), about["labels"]
    if labels["kind"] == "threshold": return x.astype(np.float32), (y >= labels["threshold"]).astype(np.uint8)
    return x.astype(np.float32), np.vectorize(lambda v: labels["map"][str(v)], otypes=[np.uint8])(y)


train = set(about["split"]["train"])
images = [read(item) for item in about["items"] if item["id"] in train]
h, w = t["patch"]
with open(out + "/crops.f32", "wb") as values, open(out + "/crops.u8", "wb") as classes:
    for _ in range(t["epochs"] * t["steps_per_epoch"] * t["batch"]):
        x, y = images[draw.randint(len(images))]
        top, left = draw.randint(y.shape[0] - h + 1), draw.randint(y.shape[1] - w + 1)
        x, y = x[:, top:top + h, left:left + w], y[top:top + h, left:left + w]
        if draw.randint(2): x, y = x[:, :, ::-1], y[:, ::-1]
        if draw.randint(2): x, y = x[:, ::-1], y[::-1]
        values.write(np.ascontiguousarray(x).tobytes()); classes.write(np.ascontiguousarray(y).tobytes())
