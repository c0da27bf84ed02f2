# scores_reference.py: makes scores_reference.json: masks, probabilities, and the scores that SciPy, NumPy and MONAI give them.
# Run in a Python with numpy, scipy, torch and monai (none of them is part of the product):
#     python tests/vectors/scores_reference.py > tests/vectors/scores_reference.json
# The scores are written from scipy.ndimage (borders, distances) and numpy (percentiles, sums) in double. MONAI's metrics are
# computed beside them and must agree to 1e-6 (it works in float32), or nothing is written.
import json

import monai
import numpy as np
import scipy
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice
from scipy import ndimage

BINS = 15


def border(mask):
    cross = ndimage.generate_binary_structure(mask.ndim, 1)
    return mask & ~ndimage.binary_erosion(mask, cross, border_value=0)


def surface(pred, truth, spacing, tolerance):
    a, b = border(pred), border(truth)
    to_b = ndimage.distance_transform_edt(~b, sampling=spacing)[a]
    to_a = ndimage.distance_transform_edt(~a, sampling=spacing)[b]
    count = len(to_b) + len(to_a)
    return {
        "nsd": float(((to_b <= tolerance).sum() + (to_a <= tolerance).sum()) / count),
        "hd95": float(max(np.percentile(to_b, 95), np.percentile(to_a, 95))),
        "assd": float((to_b.sum() + to_a.sum()) / count),
    }


def check_with_monai(pred, truth, spacing, tolerance, ours):
    def one_hot(m):
        return torch.from_numpy(np.stack([~m, m])[None].astype(np.float32))

    p, t = one_hot(pred), one_hot(truth)
    theirs = {
        "nsd": compute_surface_dice(p, t, [tolerance], spacing=spacing),
        "hd95": compute_hausdorff_distance(p, t, percentile=95, spacing=spacing),
        "assd": compute_average_surface_distance(p, t, symmetric=True, spacing=spacing),
    }
    for name, value in theirs.items():
        assert abs(float(value) - ours[name]) < 1e-5 * (1 + ours[name]), (name, float(value), ours[name])


def overlap(pred, truth):
    both, p, t = float((pred & truth).sum()), float(pred.sum()), float(truth.sum())
    return {"dice": 2 * both / (p + t), "iou": both / (p + t - both), "precision": both / p, "recall": both / t}


def digits(m):
    return "".join(chr(ord("0") + v) if v < 10 else "x" for v in m.reshape(-1))


def blobs(rng, shape, classes, smooth):
    noise = np.stack([ndimage.gaussian_filter(rng.standard_normal(shape), smooth) for _ in range(classes)])
    noise[0] += 0.25 * noise.std()
    return noise.argmax(0)


def mask_case(name, pred, truth, classes, spacing=None, tolerance=1.0):
    spacing = spacing or [1.0] * truth.ndim
    scores = {}
    for k in range(1, classes):
        p, t = pred == k, truth == k
        if not p.any() or not t.any():
            continue
        of = surface(p, t, spacing, tolerance)
        check_with_monai(p, t, spacing, tolerance, of)
        scores[str(k)] = {**overlap(p, t), **of}
    return {"name": name, "size": list(truth.shape), "spacing": spacing, "tolerance": tolerance, "classes": classes,
            "predicted": digits(pred), "truth": digits(truth), "of": scores}


def ece(confidence, right):
    edges = np.arange(BINS + 1) / BINS
    total = 0.0
    for low, high in zip(edges[:-1], edges[1:]):
        here = (confidence > low) & (confidence <= high) | ((confidence <= 0) & (low == 0))
        if here.any():
            total += here.sum() / len(confidence) * abs(right[here].mean() - confidence[here].mean())
    return float(total)


def probability_case(name, rng, shape, classes, sharpness, ignored, sigmoid=False):
    truth = blobs(rng, shape, classes, 1.5)
    logits = rng.standard_normal((classes,) + shape) + 1.2 * (np.arange(classes)[:, None, None] == truth)
    z = np.exp(sharpness * logits)
    maps = (z / z.sum(0)).astype(np.float32)
    if sigmoid:
        maps = maps[1:2]
        full = np.stack([1 - maps[0].astype(np.float64), maps[0].astype(np.float64)])
        pred = (maps[0] > 0.5).astype(int)
    else:
        full = maps.astype(np.float64)
        pred = maps.argmax(0)
    shown = truth.copy()
    shown[rng.random(shape) < ignored] = 255
    valid = shown < 255
    p, y, hit = full[:, valid], shown[valid], pred[valid]
    onehot = np.arange(classes)[:, None] == y
    result = {"ece": ece(p[hit, np.arange(len(y))], (hit == y).astype(float)), "brier": float(((p - onehot) ** 2).sum(0).mean())}
    for k in range(classes):
        result[f"ece/{k}"] = ece(p[k], onehot[k].astype(float))
        result[f"brier/{k}"] = float(((p[k] - onehot[k]) ** 2).mean())
    return {"name": name, "size": list(shape), "classes": classes, "maps": len(maps), "truth": digits(shown),
            "probabilities": [float(f"{v:.9g}") for v in maps.reshape(-1)], "scores": result}


def main():
    rng = np.random.default_rng(7)
    masks = []
    truth = blobs(rng, (48, 40), 3, 3)
    pred = np.where(rng.random(truth.shape) < 0.04, rng.integers(0, 3, truth.shape), np.roll(truth, (1, -2), (0, 1)))
    masks.append(mask_case("three classes, shifted and noisy", pred, truth, 3))
    masks.append(mask_case("the same with tolerance 2", pred, truth, 3, tolerance=2.0))
    masks.append(mask_case("the same, rows 2.5 apart, columns 0.7", pred, truth, 3, spacing=[2.5, 0.7], tolerance=1.4))
    far = np.zeros((30, 50), int)
    near = far.copy()
    near[2:6, 3:9], near[20, 40], far[25:29, 44:50] = 1, 1, 1
    masks.append(mask_case("two islands against one at the edge", near, far, 2))
    one, other = np.zeros((9, 11), int), np.zeros((9, 11), int)
    one[2, 3], other[7, 9] = 1, 1
    masks.append(mask_case("one pixel against another", one, other, 2))
    masks.append(mask_case("all of the image against a frame", np.ones((12, 10), int), np.pad(np.zeros((8, 6), int), 2, constant_values=1), 2))
    lines = np.zeros((40, 64), int)
    for i in range(0, 60, 6):
        lines[(np.arange(64) * (i + 3) // 40 + i) % 40, np.arange(64)] = 1
    masks.append(mask_case("thin lines, one row off", np.roll(lines, 1, 0), lines, 2))
    volume = blobs(rng, (10, 14, 12), 3, 2)
    masks.append(mask_case("a volume, slices 3 apart", np.roll(volume, (0, 1, 1), (0, 1, 2)), volume, 3, spacing=[3.0, 1.0, 0.5], tolerance=1.0))
    probabilities = [
        probability_case("three classes", rng, (14, 12), 3, 1.0, 0.0),
        probability_case("four classes, sharp, a tenth ignored", rng, (12, 12), 4, 3.0, 0.1),
        probability_case("two classes, one map", rng, (16, 10), 2, 2.0, 0.05, sigmoid=True),
        probability_case("two classes, two maps", rng, (16, 10), 2, 0.5, 0.0),
    ]
    made = {"made_by": f"scores_reference.py, numpy {np.__version__}, scipy {scipy.__version__}, agreeing with MONAI {monai.__version__}"}
    groups = [f'"{key}": [\n' + ",\n".join(map(json.dumps, cases)) + "\n]" for key, cases in (("masks", masks), ("probabilities", probabilities))]
    print("{" + json.dumps(made)[1:-1] + ",\n" + ",\n".join(groups) + "}")


main()
