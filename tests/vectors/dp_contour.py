#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes dp_contour.csv: epsilon of T Poisson-sampled Gaussians (one unit removed) without a grid.

    delta(eps) = 1 / pi Int_0^inf Re[ M(s)^T e^(-s eps) / (s (s + 1)) ] d omega,   s = theta + i omega,

M the moment generating function of one loss, by trapezoid over x (analytic, so the error falls
exponentially), theta at the saddle point, Gauss-Legendre panels over omega until nothing comes.
It shares nothing with the accountants' grids and rounding. Slow where T q is small: minutes.

    apt-get install python3-numpy; echo "0.01 1 1000 1e-5" | tests/vectors/dp_contour.py
"""
import sys
from math import exp, log, pi, sqrt

import numpy as np

GAUSS_X, GAUSS_W = np.polynomial.legendre.leggauss(32)


class Loss:
    """One release: losses and log masses at the nodes of a trapezoid."""

    def __init__(self, q, z):
        low, high = -40 * z - 2, 40 * z + 3
        n = int(min(400000, max(4000, (high - low) * 60 / z)))
        x = np.linspace(low, high, n)
        u = (2 * x - 1) / (2 * z * z)
        far = np.clip(u, 0, 700)
        loss = np.where(u > 30, u + np.log(q) + np.log1p((1 - q) / q * np.exp(-far)),
                        np.log1p(q * np.expm1(np.minimum(u, 30))))
        mass = -0.5 * (x / z) ** 2 - log(z) - 0.5 * log(2 * pi) + log(x[1] - x[0]) + loss
        self.loss, self.mass = loss[mass > -800], mass[mass > -800]

    def cumulants(self, theta):
        a = self.mass + theta * self.loss
        w = np.exp(a - a.max())
        mean = (w * self.loss).sum() / w.sum()
        variance = (w * (self.loss - mean) ** 2).sum() / w.sum()
        return a.max() + log(w.sum()), mean, variance


def log_delta(law, rounds, eps):
    low, high = -25.0, 18.0  # of log theta
    for _ in range(70):
        middle = 0.5 * (low + high)
        theta = exp(middle)
        if rounds * law.cumulants(theta)[1] - eps - 1 / theta - 1 / (1 + theta) < 0:
            low = middle
        else:
            high = middle
    theta = exp(0.5 * (low + high))
    value, mean, variance = law.cumulants(theta)
    a = law.mass + theta * law.loss
    a -= a.max()
    w = np.exp(a[a > -45])
    w /= w.sum()
    centred = law.loss[a > -45] - mean
    spread = sqrt(rounds * variance + 1 / theta**2 + 1 / (theta + 1) ** 2)
    width = min(1 / spread, 1 / theta) * 2
    shift = eps - rounds * mean
    total, start, quiet = 0.0, 0.0, 0
    for panel in range(4000):
        omega = start + width * (GAUSS_X + 1) / 2
        phi = np.array([(w * np.exp(1j * o * centred)).sum() for o in omega])
        s = theta + 1j * omega
        values = np.exp(rounds * np.log(phi) - 1j * omega * shift) / (s * (s + 1))
        part = (values.real * GAUSS_W).sum() * width / 2
        total += part
        start += width
        quiet = quiet + 1 if np.abs(values).max() * start < 1e-11 * abs(total) else 0
        if quiet == 3:
            break
        if panel % 8 == 7 and abs(part) < 1e-4 * abs(total):
            width *= 1.25
    else:
        sys.exit(f"eps {eps}: the integral did not end")
    return rounds * value - theta * eps + log(total / pi)


def epsilon(q, z, rounds, delta):
    law = Loss(q, z)
    target = log(delta)
    high = min((rounds * law.cumulants(t)[0] - target + t * log(t) - (t + 1) * np.log1p(t)) / t
               for t in np.exp(np.linspace(-12, 16, 200)))  # Chernoff
    low = 0.05 * high
    at_low, at_high = log_delta(law, rounds, low), log_delta(law, rounds, high)
    while high - low > 1e-9 * high:
        share = (at_low - target) / (at_low - at_high)
        middle = low + (high - low) * min(max(share, 0.02), 0.98)
        at = log_delta(law, rounds, middle)
        if abs(at - target) < 1e-9:
            return middle
        if at > target:
            low, at_low = middle, at
        else:
            high, at_high = middle, at
    return 0.5 * (low + high)


print("q,z,rounds,delta,epsilon")
for line in sys.stdin:
    words = line.split()
    print(",".join(words + ["%.10g" % epsilon(*map(float, words))]), flush=True)
