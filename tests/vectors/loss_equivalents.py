#!/usr/bin/env python3
# loss_equivalents: Dice + cross-entropy of other people's programs beside the Tandem block that means the same.
#
#   python -m venv V; V/bin/pip install torch numpy; V/bin/pip install --no-deps monai nnunetv2 segmentation-models-pytorch mmsegmentation
#   V/bin/python tests/vectors/loss_equivalents.py > tests/vectors/loss_equivalents.json        (--table: the rows of schema/losses.md)
#
# What runs is their own code, in float64 (where they cast to float32 themselves, that stays). Only mmsegmentation's registry and file
# loader are replaced by empty ones, because its losses need nothing of them, and its loss of version 0.x is its published formula.
# Inputs as in loss_golden.json: N 2, 6 x 5 pixels, z[i] = 2 sin(0.7 i + 0.3) + 0.5 cos(1.9 i), y[i] = (i i / 3 + i / 5) % classes;
# `ignored`: label 255 at every fourth pixel. Written: the value (`shift` is to be added to ours), |gradient|, gradient . sin(1.3 i + 0.2).
import importlib.metadata, importlib.util, json, math, os, sys, types, warnings
import torch
warnings.filterwarnings("ignore")
N, H, W = 2, 6, 5


def inputs(channels, ignored):
    classes = max(channels, 2)
    z = [2 * math.sin(0.7 * i + 0.3) + 0.5 * math.cos(1.9 * i) for i in range(N * channels * H * W)]
    y = [(i * i // 3 + i // 5) % classes for i in range(N * H * W)]
    if ignored:
        y = [255 if i % 4 == 0 else v for i, v in enumerate(y)]
    return (torch.tensor(z, dtype=torch.float64).reshape(N, channels, H, W).requires_grad_(True),
            torch.tensor(y).reshape(N, 1, H, W))


def load_folder(name, package, folder, files):
    """The named files of an installed package's folder, without its __init__ and what that would import."""
    found = importlib.util.find_spec(package)
    where = os.path.join(list(found.submodule_search_locations)[0], folder)
    room = types.ModuleType(name)
    room.__path__ = [where]
    sys.modules[name] = room
    return [importlib.import_module(name + "." + f) for f in files]


from monai.losses import DiceCELoss, DiceFocalLoss, DiceLoss, FocalLoss
from nnunetv2.training.loss.compound_losses import DC_and_BCE_loss, DC_and_CE_loss, DC_and_topk_loss
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss, SoftDiceLoss
smp_dice, smp_jaccard, smp_ce, smp_bce, smp_focal = load_folder("smp_losses", "segmentation_models_pytorch", "losses", ["dice", "jaccard", "soft_ce", "soft_bce", "focal"])


class Registry:
    def register_module(self, *a, **k):
        return lambda cls: cls


for name, content in (("mmengine", {}), ("mmengine.fileio", {"load": None}), ("mmseg", {}), ("mmseg.registry", {"MODELS": Registry()}), ("mmseg.models", {})):
    if name == "mmseg":
        mmseg_spec = importlib.util.find_spec("mmseg")
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__dict__.update(content)
sys.modules["mmseg.models"].__path__ = [os.path.join(list(mmseg_spec.submodule_search_locations)[0], "models")]
losses = types.ModuleType("mmseg.models.losses")
losses.__path__ = [os.path.join(list(mmseg_spec.submodule_search_locations)[0], "models", "losses")]
sys.modules["mmseg.models.losses"] = losses
mm_ce = importlib.import_module("mmseg.models.losses.cross_entropy_loss").CrossEntropyLoss
mm_dice = importlib.import_module("mmseg.models.losses.dice_loss").DiceLoss


def mmseg0_dice(z, y, smooth=1, exponent=2):
    """mmsegmentation 0.x: one binary Dice a class and image, its formula as published."""
    p, total = torch.softmax(z, 1), 0
    for c in range(z.shape[1]):
        t = (y[:, 0] == c).double().flatten(1)
        q = p[:, c].flatten(1)
        total = total + (1 - (2 * (q * t).sum(1) + smooth) / ((q ** exponent + t ** exponent).sum(1) + smooth)).mean()
    return total / z.shape[1]


w3 = torch.tensor([1.0, 2, 3], dtype=torch.float64)
mmce = lambda **k: mm_ce(avg_non_ignore=True, **k)
CE = torch.nn.CrossEntropyLoss
BCE = torch.nn.BCEWithLogitsLoss
plain = {"strategy": "constant", "lambda_dice": 1, "lambda_ce": 1, "dice": {"batch": False}}


def block(**k):
    b = {"strategy": "constant", "lambda_dice": 1, "lambda_ce": 1}
    b.update(k)
    return b


def dice(**k):
    return dict({"batch": False}, **k)


# library, call, channels, loss(z, y), Tandem block, further keys (shift, ignored)
CASES = [
    ("monai", "DiceCELoss(sigmoid=True)", 1, lambda z, y: DiceCELoss(sigmoid=True)(z, y.double()), block(activation="sigmoid", dice=dice())),
    ("monai", "DiceCELoss(sigmoid=True, squared_pred=True, jaccard=True, batch=True, smooth_nr=1e-3, smooth_dr=2e-3, lambda_dice=0.3, lambda_ce=0.7)", 1,
     lambda z, y: DiceCELoss(sigmoid=True, squared_pred=True, jaccard=True, batch=True, smooth_nr=1e-3, smooth_dr=2e-3, lambda_dice=0.3, lambda_ce=0.7)(z, y.double()),
     block(activation="sigmoid", lambda_dice=0.3, lambda_ce=0.7, dice={"batch": True, "squared_pred": True, "jaccard": True, "smooth_nr": 1e-3, "smooth_dr": 2e-3})),
    ("monai", "DiceCELoss(sigmoid=True, weight=2.5): BCE's pos_weight", 1, lambda z, y: DiceCELoss(sigmoid=True, weight=torch.tensor([2.5]))(z, y.double()),
     block(activation="sigmoid", dice=dice(), ce={"pos_weight": 2.5})),
    ("monai", "DiceCELoss(sigmoid=True, reduction='sum'): times groups (2) and pixels (60)", 1, lambda z, y: DiceCELoss(sigmoid=True, reduction="sum")(z, y.double()),
     block(activation="sigmoid", lambda_dice=2, lambda_ce=60, dice=dice())),
    ("monai", "DiceCELoss(softmax=True, to_onehot_y=True)", 3, lambda z, y: DiceCELoss(softmax=True, to_onehot_y=True)(z, y), block(include_background=True, dice=dice())),
    ("monai", "DiceCELoss(softmax=True, to_onehot_y=True, include_background=False, batch=True, squared_pred=True)", 3,
     lambda z, y: DiceCELoss(softmax=True, to_onehot_y=True, include_background=False, batch=True, squared_pred=True)(z, y), block(dice={"batch": True, "squared_pred": True})),
    ("monai", "DiceCELoss(softmax=True, to_onehot_y=True, label_smoothing=0.1)", 3, lambda z, y: DiceCELoss(softmax=True, to_onehot_y=True, label_smoothing=0.1)(z, y),
     block(include_background=True, dice=dice(), ce={"label_smoothing": 0.1})),
    ("monai", "DiceCELoss(softmax=True, to_onehot_y=True, weight=[1,2,3]): lambda_dice times sum w / C", 3, lambda z, y: DiceCELoss(softmax=True, to_onehot_y=True, weight=w3)(z, y),
     block(lambda_dice=2, include_background=True, class_weight=[1, 2, 3], dice=dice(class_weight=True))),
    ("monai", "DiceCELoss(softmax=True, to_onehot_y=True, include_background=False, weight=[1,2,3]): sum and C without background", 3,
     lambda z, y: DiceCELoss(softmax=True, to_onehot_y=True, include_background=False, weight=w3)(z, y), block(lambda_dice=2.5, class_weight=[1, 2, 3], dice=dice(class_weight=True))),
    ("monai", "DiceFocalLoss(sigmoid=True, gamma=2, lambda_focal=0.5)", 1, lambda z, y: DiceFocalLoss(sigmoid=True, gamma=2, lambda_focal=0.5)(z, y.double()),
     block(activation="sigmoid", lambda_ce=0.5, dice=dice(), ce={"focal_gamma": 2})),
    ("monai", "DiceFocalLoss(sigmoid=True, gamma=1.5, alpha=0.25): lambda_ce times 1 - alpha, pos_weight alpha / (1 - alpha)", 1,
     lambda z, y: DiceFocalLoss(sigmoid=True, gamma=1.5, alpha=0.25)(z, y.double()), block(activation="sigmoid", lambda_ce=0.75, dice=dice(), ce={"focal_gamma": 1.5, "pos_weight": 1 / 3})),
    ("monai", "DiceLoss(softmax=True, to_onehot_y=True) + FocalLoss(use_softmax=True, to_onehot_y=True, gamma=2): lambda_ce over C", 3,
     lambda z, y: DiceLoss(softmax=True, to_onehot_y=True)(z, y) + FocalLoss(use_softmax=True, to_onehot_y=True, gamma=2)(z, y),
     block(lambda_ce=1 / 3, include_background=True, dice=dice(), ce={"focal_gamma": 2})),
    ("monai", "DiceLoss(softmax=True, to_onehot_y=True, ignore_index=255) + CrossEntropyLoss(ignore_index=255)", 3,
     lambda z, y: DiceLoss(softmax=True, to_onehot_y=True, ignore_index=255)(z, y) + CE(ignore_index=255)(z, y[:, 0]), block(include_background=True, dice=dice()), {"ignored": True}),
    ("torch", "CrossEntropyLoss(weight=[1,2,3], label_smoothing=0.2, ignore_index=255)", 3, lambda z, y: CE(weight=w3, label_smoothing=0.2, ignore_index=255)(z, y[:, 0]),
     block(lambda_dice=0, class_weight=[1, 2, 3], ce={"label_smoothing": 0.2}), {"ignored": True}),
    ("torch", "CrossEntropyLoss(weight=[0,1,1]): the weight of background is 0", 3, lambda z, y: CE(weight=torch.tensor([0.0, 1, 1], dtype=torch.float64))(z, y[:, 0]),
     block(lambda_dice=0, ce={"include_background": False})),
    ("torch", "BCEWithLogitsLoss(pos_weight=2.5)", 1, lambda z, y: BCE(pos_weight=torch.tensor(2.5))(z, y.double()), block(lambda_dice=0, activation="sigmoid", ce={"pos_weight": 2.5})),
    ("nnunetv2", "DC_and_CE_loss(batch_dice=True, do_bg=False, smooth=1e-5), the 2-D default", 3,
     lambda z, y: DC_and_CE_loss({"batch_dice": True, "do_bg": False, "smooth": 1e-5, "ddp": False}, {}, dice_class=MemoryEfficientSoftDiceLoss)(z, y), block(), {"shift": -1}),
    ("nnunetv2", "DC_and_CE_loss(batch_dice=False, do_bg=True, smooth=1, weight_ce=0.7, weight_dice=1.3, SoftDiceLoss)", 3,
     lambda z, y: DC_and_CE_loss({"batch_dice": False, "do_bg": True, "smooth": 1.0, "ddp": False}, {}, 0.7, 1.3, dice_class=SoftDiceLoss)(z, y),
     block(lambda_dice=1.3, lambda_ce=0.7, include_background=True, dice=dice(smooth_nr=1, smooth_dr=1)), {"shift": -1.3}),
    ("nnunetv2", "DC_and_CE_loss(ce weight=[1,2,3], label_smoothing=0.1, ignore_label=255)", 3,
     lambda z, y: DC_and_CE_loss({"batch_dice": True, "do_bg": False, "smooth": 1e-5, "ddp": False}, {"weight": w3, "label_smoothing": 0.1}, ignore_label=255,
                                 dice_class=MemoryEfficientSoftDiceLoss)(z, y), block(class_weight=[1, 2, 3], ce={"label_smoothing": 0.1}), {"shift": -1, "ignored": True}),
    ("nnunetv2", "DC_and_topk_loss(k=10)", 3, lambda z, y: DC_and_topk_loss({"batch_dice": True, "do_bg": False, "smooth": 1e-5, "ddp": False}, {"k": 10})(z, y),
     block(ce={"top_k": 10}), {"shift": -1}),
    ("nnunetv2", "DC_and_topk_loss(k=37.5, label_smoothing=0.1)", 3,
     lambda z, y: DC_and_topk_loss({"batch_dice": True, "do_bg": False, "smooth": 1e-5, "ddp": False}, {"k": 37.5, "label_smoothing": 0.1})(z, y),
     block(ce={"top_k": 37.5, "label_smoothing": 0.1}), {"shift": -1}),
    ("nnunetv2", "DC_and_BCE_loss of one region (do_bg=True)", 1,
     lambda z, y: DC_and_BCE_loss({}, {"batch_dice": True, "do_bg": True, "smooth": 1e-5, "ddp": False})(z, y.double()), block(activation="sigmoid"), {"shift": -1}),
    ("smp", "DiceLoss('multiclass') + SoftCrossEntropyLoss(smooth_factor=0.1)", 3,
     lambda z, y: smp_dice.DiceLoss("multiclass")(z, y[:, 0]) + smp_ce.SoftCrossEntropyLoss(smooth_factor=0.1)(z, y[:, 0]),
     block(include_background=True, dice={"smooth_nr": 0, "smooth_dr": 0, "empty": "skip"}, ce={"label_smoothing": 0.1})),
    ("smp", "DiceLoss('multiclass', classes=[1,2], class_weights=[1,2,3], smooth=1, ignore_index=255): smooth twice", 3,
     lambda z, y: smp_dice.DiceLoss("multiclass", classes=[1, 2], class_weights=[1.0, 2, 3], smooth=1.0, ignore_index=255)(z, y[:, 0]),
     block(lambda_ce=0, class_weight=[1, 2, 3], dice={"smooth_nr": 2, "smooth_dr": 2, "class_weight": True}), {"ignored": True}),
    ("smp", "DiceLoss('binary') + SoftBCEWithLogitsLoss(pos_weight=2, smooth_factor=0.1): label_smoothing is twice smooth_factor", 1,
     lambda z, y: smp_dice.DiceLoss("binary")(z, y) + smp_bce.SoftBCEWithLogitsLoss(pos_weight=torch.tensor(2.0), smooth_factor=0.1, ignore_index=None)(z, y.double()),
     block(activation="sigmoid", dice={"smooth_nr": 0, "smooth_dr": 0, "empty": "skip"}, ce={"pos_weight": 2, "label_smoothing": 0.2})),
    ("smp", "JaccardLoss('multiclass', smooth=0.5): smooth twice", 3, lambda z, y: smp_jaccard.JaccardLoss("multiclass", smooth=0.5)(z, y[:, 0]),
     block(lambda_ce=0, include_background=True, dice={"jaccard": True, "smooth_nr": 1, "smooth_dr": 1})),
    ("smp", "DiceLoss('binary', smooth=1) + FocalLoss('binary', gamma=2, alpha=0.25): smooth twice, lambda_ce times 1 - alpha, pos_weight alpha / (1 - alpha)", 1,
     lambda z, y: smp_dice.DiceLoss("binary", smooth=1.0)(z, y) + smp_focal.FocalLoss("binary", gamma=2.0, alpha=0.25)(z, y),
     block(activation="sigmoid", lambda_ce=0.75, dice={"smooth_nr": 2, "smooth_dr": 2}, ce={"focal_gamma": 2, "pos_weight": 1 / 3})),
    ("mmsegmentation", "CrossEntropyLoss(class_weight=[1,2,3], avg_non_ignore=True)", 3, lambda z, y: mmce(class_weight=[1.0, 2, 3])(z, y[:, 0]),
     block(lambda_dice=0, class_weight=[1, 2, 3])),
    ("mmsegmentation", "CrossEntropyLoss(use_sigmoid=True, class_weight=[2.5]) + 3 DiceLoss(naive_dice=True, eps=1e-3)", 1,
     lambda z, y: mmce(use_sigmoid=True, class_weight=[2.5])(z, y[:, 0], ignore_index=255) + mm_dice(naive_dice=True, loss_weight=3.0)(z, y),
     block(lambda_dice=3, activation="sigmoid", dice=dice(smooth_nr=1e-3, smooth_dr=1e-3), ce={"pos_weight": 2.5})),
    ("mmsegmentation", "DiceLoss(naive_dice=False, eps=1e-3): squares, eps twice below", 1, lambda z, y: mm_dice(naive_dice=False)(z, y),
     block(lambda_ce=0, activation="sigmoid", dice=dice(squared_pred=True, smooth_nr=0, smooth_dr=2e-3))),
    ("mmsegmentation", "0.x, the formula: CrossEntropyLoss + 3 DiceLoss(smooth=1, exponent=2)", 3, lambda z, y: CE()(z, y[:, 0]) + 3 * mmseg0_dice(z, y),
     block(lambda_dice=3, include_background=True, dice=dice(squared_pred=True, smooth_nr=1, smooth_dr=1))),
]


def one(library, call, channels, loss, tandem, more=None):
    more = more or {}
    z, y = inputs(channels, more.get("ignored", False))
    value = loss(z, y)
    value.backward()
    g = z.grad.flatten()
    dot = sum(float(v) * math.sin(1.3 * i + 0.2) for i, v in enumerate(g))
    call, _, convert = call.partition(": ")
    return dict({"library": library, "call": call, "convert": convert, "channels": channels, "ignored": False, "shift": 0, "loss": tandem,
                 "value": float(value.detach()), "grad_l2": float(g.norm()), "grad_dot": dot}, **more)


def table_row(row):
    loss = {k: v for k, v in row["loss"].items() if k != "strategy"}
    notes = [row["convert"]] if row["convert"] else []
    notes += ["value: ours - %g" % -row["shift"]] if row["shift"] else []
    return "| %s | `%s` | `%s` | %s |" % (row["library"], row["call"], json.dumps(loss), "; ".join(notes))


versions = {name: importlib.metadata.version(name) for name in ("torch", "monai", "nnunetv2", "segmentation-models-pytorch", "mmsegmentation")}
rows = [one(*case) for case in CASES]
if sys.argv[1:] == ["--table"]:
    sys.exit(print("\n".join(map(table_row, rows))))
rows = [json.dumps(row) for row in rows]
print('{"versions": %s,\n "cases": [\n  %s]}' % (json.dumps(versions), ",\n  ".join(rows)))
