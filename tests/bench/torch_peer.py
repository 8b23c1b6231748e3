#!/usr/bin/env python3
"""The steps of bench_tensor.c in PyTorch, on the same networks: CPU milliseconds of one step.

Usage: torch_peer.py CASE    prints the case and the median of nine windows of 0.1 s

Needs python3-torch; one thread unless OMP_NUM_THREADS says otherwise. CASE as in bench_tensor.
"""
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


def halving(widths, slope=0.2):
    layers = []
    for before, after in zip(widths, widths[1:]):
        layers += [nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(slope)]
    return layers + [nn.Flatten()]


def doubling(latent, widths):
    layers = [nn.Linear(latent, widths[0] * 16), nn.Unflatten(1, (widths[0], 4, 4)), nn.ReLU()]
    for before, after in zip(widths, widths[1:]):
        layers += [nn.ConvTranspose2d(before, after, 4, 2, 1), nn.ReLU()]
    layers[-1] = nn.Tanh()
    return nn.Sequential(*layers)


def small_generator(latent=64, width=32):
    def norm(c):
        return nn.GroupNorm(min(8, c // 4), c)

    layers = [nn.Linear(latent, 64 * width), nn.Unflatten(1, (4 * width, 4, 4)), norm(4 * width), nn.ReLU()]
    for before, after in ((4, 2), (2, 1), (1, 1)):
        layers += [nn.Upsample(scale_factor=2), nn.Conv2d(before * width, after * width, 3, 1, 1),
                   norm(after * width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(width, 3, 3, 1, 1), nn.Tanh())


class PadSame(nn.Module):
    def forward(self, x):
        return F.pad(x, (1, 2, 1, 2))


def digits():
    trunk = halving([1, 64, 128], 0.01)
    trunk += [nn.Linear(6272, 1024), nn.GroupNorm(8, 1024), nn.LeakyReLU(0.01), nn.Linear(1024, 1)]
    layers = [nn.Linear(128, 1024), nn.GroupNorm(8, 1024), nn.ReLU(), nn.Linear(1024, 12544), nn.GroupNorm(8, 12544),
              nn.ReLU(), nn.Unflatten(1, (256, 7, 7)), nn.ConvTranspose2d(256, 64, 4, 2, 1), nn.GroupNorm(8, 64),
              nn.ReLU(), nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.GroupNorm(8, 32), nn.ReLU(), PadSame(),
              nn.Conv2d(32, 1, 4), nn.Tanh()]
    return nn.Sequential(*trunk), nn.Sequential(*layers), 128, (1, 28, 28)


def networks(name):
    if name == "gan32":
        d = nn.Sequential(*halving([3, 64, 128, 256]), nn.Linear(4096, 1))
        return d, doubling(128, [256, 128, 64, 3]), 128, (3, 32, 32)
    if name == "gan64":
        d = nn.Sequential(*halving([3, 64, 128, 256, 512]), nn.Linear(8192, 1))
        return d, doubling(128, [512, 256, 128, 64, 3]), 128, (3, 64, 64)
    if name == "small":
        d = nn.Sequential(*halving([3, 16, 32, 64]), nn.Linear(1024, 1))
        return d, small_generator(), 64, (3, 32, 32)
    return digits()


def penalty(d, real, fake):
    share = torch.rand(len(real), 1, 1, 1)
    mixed = (real + share * (fake - real)).requires_grad_(True)
    slope, = torch.autograd.grad(d(mixed).sum(), mixed, create_graph=True)
    return 10.0 * ((slope.flatten(1).norm(2, 1) - 1) ** 2).mean()


def step_of(case):
    name, kind, batch = case.split("-")
    batch = int(batch)
    d, g, latent, shape = networks(name)
    real = torch.rand(batch, *shape) * 2 - 1
    d_params = list(d.parameters())
    d_adam = torch.optim.Adam(d_params, lr=2e-4, betas=(0.5, 0.99))
    g_adam = torch.optim.Adam(g.parameters(), lr=2e-4, betas=(0.5, 0.99))

    def d_step():
        with torch.no_grad():
            fake = g(torch.randn(batch, latent))
        d_adam.zero_grad(set_to_none=True)
        loss = d(fake).mean() - d(real).mean() + penalty(d, real, fake)
        loss.backward()
        d_adam.step()

    def g_step():
        g_adam.zero_grad(set_to_none=True)
        for p in d_params:
            p.requires_grad_(False)
        loss = -d(g(torch.randn(batch, latent))).mean()
        loss.backward()
        g_adam.step()
        for p in d_params:
            p.requires_grad_(True)

    def device_gradient():
        with torch.no_grad():
            fake = g(torch.randn(batch, latent))
        loss = F.softplus(-d(real)).mean() + F.softplus(d(fake)).mean()
        torch.autograd.grad(loss, d_params)

    def local_round():
        for _ in range(8):
            d_step()
        g_step()

    return {"d": d_step, "g": g_step, "grad": device_gradient, "round": local_round}[kind]


def vae_step(batch):
    latent = 128
    encoder = nn.Sequential(*halving([3, 64, 128, 256]), nn.Linear(4096, 2 * latent))
    decoder = doubling(latent, [256, 128, 64, 3])
    real = torch.rand(batch, 3, 32, 32) * 2 - 1
    adam = torch.optim.Adam(list(encoder.parameters()) + list(decoder.parameters()), lr=2e-4, betas=(0.5, 0.99))

    def step():
        adam.zero_grad(set_to_none=True)
        mean, log_variance = encoder(real).chunk(2, 1)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        loss = ((decoder(z) - real) ** 2).sum() / batch
        loss = loss - 0.5 * (1 + log_variance - mean * mean - log_variance.exp()).sum() / batch
        loss.backward()
        adam.step()

    return step


def main():
    case = sys.argv[1]
    torch.manual_seed(1)
    if len(sys.argv) > 2:
        torch.set_num_threads(int(sys.argv[2]))
    step = vae_step(int(case.split("-")[2])) if case.startswith("vae32") else step_of(case)
    for _ in range(3):
        step()
    windows = []
    for _ in range(9):
        start, n = time.process_time(), 0
        while time.process_time() - start < 0.1:
            step()
            n += 1
        windows.append(1e3 * (time.process_time() - start) / n)
    print(case, "%.3f" % statistics.median(windows))


main()
