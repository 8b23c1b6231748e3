#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes torch_generator.safetensors: a small generator of PyTorch's, its latents, its pictures.

Needs python3-torch; writes the format by hand. tests/unit/nn/test_name_map.c imports it and draws
the same pictures.  Usage: torch_generator.py > torch_generator.safetensors"""
import json
import struct
import sys

import torch
from torch import nn

torch.manual_seed(7)


class View(nn.Module):
    def forward(self, x):
        return x.view(-1, 2, 4, 4)


net = nn.Sequential(
    nn.Linear(6, 32), View(), nn.ConvTranspose2d(2, 4, 4, stride=2, padding=1),
    nn.GroupNorm(2, 4), nn.LeakyReLU(0.2), nn.Upsample(scale_factor=2, mode="nearest"),
    nn.Conv2d(4, 3, 3, padding=1), nn.Tanh())
with torch.no_grad():
    for parameter in net.parameters():
        parameter.copy_(torch.randn_like(parameter) * 0.5)
    latents = torch.randn(2, 6)
    pictures = net(latents)

tensors = {f"net.{name}": value for name, value in net.state_dict().items()}
tensors["steps"] = torch.tensor(1234, dtype=torch.int64)  # a counter, as batch norms keep
tensors["latents"] = latents
tensors["pictures"] = pictures.permute(0, 2, 3, 1)
kinds = {torch.float32: ("F32", "f"), torch.int64: ("I64", "q")}
header, data = {"__metadata__": {"format": "pt"}}, b""
for name, value in tensors.items():
    kind, letter = kinds[value.dtype]
    flat = value.contiguous().flatten().tolist()
    packed = struct.pack(f"<{len(flat)}{letter}", *flat)
    header[name] = {"dtype": kind, "shape": list(value.shape),
                    "data_offsets": [len(data), len(data) + len(packed)]}
    data += packed
text = json.dumps(header).encode()
sys.stdout.buffer.write(struct.pack("<Q", len(text)) + text + data)
