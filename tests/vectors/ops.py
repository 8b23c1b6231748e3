#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reference numbers of ops by PyTorch (Debian's python3-torch), for tests/unit/tensor64.

    python3 tests/vectors/ops.py > tests/vectors/ops.inc

Each case computes y from a and b, and with fixed numbers u and v: f = <u, y>, g = df/d(a, b),
s = <v, g>, h = ds/d(a, b). Pictures are [n, h, w, c] and weights [kh, kw, c, o] on our side.
"""
import math
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def params(n, low):
    turned = [((i + 1) * 2654435761) % 2**32 for i in range(n)]
    return torch.tensor([low + 1.5 * t / 4294967296.0 for t in turned])


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def oihw(w):
    return w.permute(3, 2, 0, 1)


def pad_tensorflow(x, kernel, stride):
    """x [n, c, h, w] with the zeros of TensorFlow's padding SAME."""
    sides = []
    for size, k in ((x.shape[3], kernel[1]), (x.shape[2], kernel[0])):
        total = max((math.ceil(size / stride) - 1) * stride + k - size, 0)
        sides += [total // 2, total - total // 2]
    return F.pad(x, sides)


def conv_same(stride):
    def build(a, b):
        x = pad_tensorflow(nchw(a), b.shape[:2], stride)
        return torch.tanh(nhwc(F.conv2d(x, oihw(b), stride=stride)))
    return build


def conv_torch(a, b):
    return torch.tanh(nhwc(F.conv2d(nchw(a), oihw(b), padding="same")))


def conv_torch_stride(a, b):
    return torch.tanh(nhwc(F.conv2d(nchw(a), oihw(b), padding=1, stride=2)))


def conv_groups(groups):
    def build(a, b):
        return torch.tanh(nhwc(F.conv2d(nchw(a), oihw(b), padding=1, groups=groups)))
    return build


def conv_transposed(a, b):
    # conv_transpose2d wants [in, out, kh, kw]; ours are the weights of the convolution from out to in
    return torch.tanh(nhwc(F.conv_transpose2d(nchw(a), oihw(b), stride=2, padding=1)))


def conv_weights(a, b):
    # The derivative of <b, conv(a, w)> in w, which is linear in w.
    w = torch.zeros(2, 2, 4, 4, requires_grad=True)
    y = F.conv2d(nchw(a), w, stride=2, padding=1)
    (gw,) = torch.autograd.grad((y * nchw(b)).sum(), w, create_graph=True)
    return torch.tanh(gw.permute(2, 3, 1, 0))


def upsample_conv(a, b):
    x = F.interpolate(nchw(a), scale_factor=2, mode="nearest")
    return torch.tanh(nhwc(F.conv2d(x, oihw(b), padding=1)))


def gru_cell(a, b):
    cell = torch.nn.GRUCell(6, 2)
    from_x, h = a[:, :6], a[:, 6:]
    # The cell's product with x is made the identity: from_x is what it would give.
    return torch._VF.gru_cell(from_x, h, torch.eye(6), b[:2].t(), torch.zeros(6), b[2])


def reparameterise(a, b):
    mean, log_variance = a[:, :3], a[:, 3:]
    z = mean + torch.exp(0.5 * log_variance) * b
    posterior = torch.distributions.Normal(mean, torch.exp(0.5 * log_variance))
    prior = torch.distributions.Normal(torch.zeros(1), torch.ones(1))
    kl = torch.distributions.kl_divergence(posterior, prior).sum(1, keepdim=True)
    return torch.tanh(z) * kl


def batch_norm(a, b):
    return nhwc(F.batch_norm(nchw(a), None, None, training=True)) * b


def sums(a, b):
    return (a * a).sum(1, keepdim=True) * a * b


def pieces(a, b):
    both = torch.cat([a, b], 1)
    return both[:, 1:4] * both[:, 2:5]


INDEX = torch.tensor([0, 2, 1, 2, 3, 0])

CASES = [
    ("conv same odd", (1, 4, 5, 2), (3, 3, 2, 2), conv_same(1), -0.7),
    ("conv same even", (1, 5, 4, 1), (4, 2, 1, 2), conv_same(1), -0.7),
    ("conv same stride", (1, 6, 5, 2), (3, 3, 2, 2), conv_same(2), -0.7),
    ("conv same halving", (1, 6, 6, 2), (4, 4, 2, 2), conv_same(2), -0.7),
    ("conv torch even", (1, 5, 4, 1), (4, 2, 1, 2), conv_torch, -0.7),
    ("conv torch stride", (1, 6, 5, 2), (3, 3, 2, 2), conv_torch_stride, -0.7),
    ("conv groups", (1, 3, 4, 4), (3, 3, 2, 4), conv_groups(2), -0.7),
    ("conv depthwise", (2, 3, 3, 3), (3, 3, 1, 3), conv_groups(3), -0.7),
    ("conv transposed", (1, 3, 3, 2), (4, 4, 2, 2), conv_transposed, -0.7),
    ("conv weights", (1, 6, 6, 2), (1, 3, 3, 2), conv_weights, -0.7),
    ("upsample conv", (1, 2, 3, 2), (3, 3, 2, 2), upsample_conv, -0.7),
    ("upsample", (2, 2, 3, 2), None,
     lambda a, b: torch.tanh(nhwc(F.interpolate(nchw(a), scale_factor=2, mode="nearest"))), -0.7),
    ("average pool", (1, 6, 3, 2), None,
     lambda a, b: torch.tanh(nhwc(F.avg_pool2d(nchw(a), 3))), -0.7),
    ("max pool", (2, 4, 4, 2), None, lambda a, b: torch.tanh(nhwc(F.max_pool2d(nchw(a), 2))), -0.7),
    ("max pool overlapping", (1, 5, 7, 2), None,
     lambda a, b: torch.tanh(nhwc(F.max_pool2d(nchw(a), 3, 2))), -0.7),
    ("group norm", (2, 2, 3, 4), (1, 1, 1, 4), lambda a, b: nhwc(F.group_norm(nchw(a), 2)) * b, -0.7),
    ("group norm flat", (3, 6), (1, 6), lambda a, b: F.group_norm(a, 2) * b, -0.7),
    ("layer norm", (3, 5), (1, 5), lambda a, b: F.layer_norm(a, (5,)) * b, -0.7),
    ("batch norm", (3, 2, 2, 2), (1, 1, 1, 2), batch_norm, -0.7),
    ("relu", (3, 5), (3, 5), lambda a, b: F.relu(a) * b, -0.75),
    ("leaky relu", (3, 5), (3, 5), lambda a, b: F.leaky_relu(a, 0.2) * b, -0.75),
    ("curves", (9,), (9,),
     lambda a, b: torch.tanh(a) + torch.sigmoid(a * b) + F.softplus(a - b), -0.7),
    ("roots", (9,), (9,), lambda a, b: (torch.sqrt(a) + torch.log(a * b)) / torch.exp(b), 0.5),
    ("dense", (3, 4), (4, 2), lambda a, b: torch.tanh(a @ b), -0.7),
    ("sums", (2, 2, 3), (2, 2, 3), sums, -0.7),
    ("pieces", (3, 2), (3, 3), pieces, -0.7),
    ("cross entropy", (3, 4), (3, 4),
     lambda a, b: -(b * F.log_softmax(3.0 * a, 1)).sum(1, keepdim=True), -0.7),
    ("softmax", (3, 4), (3, 4), lambda a, b: F.softmax(a, 1) * b, -0.7),
    ("embedding", (4, 3), (6, 3), lambda a, b: torch.tanh(F.embedding(INDEX, a)) * b, -0.7),
    ("gru cell", (3, 8), (3, 6), gru_cell, -0.7),
    ("reparameterise", (3, 6), (3, 3), reparameterise, -0.7),
]


def gradient(f, of):
    made = torch.autograd.grad(f, of, create_graph=True, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for g, x in zip(made, of)]


def run(a_shape, b_shape, build, low):
    shapes = [a_shape] + ([b_shape] if b_shape else [])
    n = sum(math.prod(s) for s in shapes)
    flat = params(20 * n + 1000, low)
    at = 0

    def take(shape):
        nonlocal at
        at += math.prod(shape)
        return flat[at - math.prod(shape):at].reshape(shape).clone()

    moved = [take(s).requires_grad_() for s in shapes]
    y = build(moved[0], moved[1] if b_shape else None)
    first = gradient((y * take(y.shape)).sum(), moved)
    s = sum((g * take(g.shape)).sum() for g in first)
    return [y], first, gradient(s, moved) if s.requires_grad else [torch.zeros_like(x) for x in moved]


def line(name, tensors):
    numbers = [f"{float(x):.11g}" for t in tensors for x in t.reshape(-1)]
    text = f"static const double {name}[] = {{"
    rows, row = [], "   "
    for number in numbers:
        if len(row) + len(number) + 2 > 98:
            rows.append(row)
            row = "   "
        row += f" {number},"
    print("\n".join([text] + rows + [row, "};"]))
    return len(numbers)


def main():
    print("/* Made by tests/vectors/ops.py with PyTorch, see there. */")
    table = []
    for name, a_shape, b_shape, build, low in CASES:
        stem = name.replace(" ", "_")
        y, first, second = run(a_shape, b_shape, build, low)
        n_y = line(f"{stem}_y", y)
        n_g = line(f"{stem}_first", first)
        line(f"{stem}_second", second)
        table.append(f'    {{"{name}", {n_y}, {stem}_y, {n_g}, {stem}_first, {stem}_second}},')
    print("static const struct reference references[] = {")
    print("\n".join(table))
    print("};")


main()
