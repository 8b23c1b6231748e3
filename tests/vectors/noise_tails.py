#!/usr/bin/env python3
"""Makes noise_tails.inc: tails of the rounded Gaussian at 80 digits (mpmath)."""
from mpmath import erfc, floor, mp, mpf, sqrt

mp.dps = 80
for sigma, m in [(1, 0), (1, 5), (1, 12), (3, 7), (64, 1), (64, 300), (100, 1250), (8764, 0),
                 (8764, 12345), (8764, 100000), (100000, 7), (100000, 899999), (4194304, 123456)]:
    tail = int(floor(erfc((2 * mpf(m) + 1) / (2 * sigma) / sqrt(mpf(2))) * 2**128))
    print("{%d, %d, 0x%016xu, 0x%016xu}," % (sigma, m, tail >> 64, tail & (2**64 - 1)))
