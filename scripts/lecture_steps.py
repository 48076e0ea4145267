"""The training of lecture 3 (one hidden layer) or 5, as its notebook makes it, on one thread.

usage: lecture_steps.py 3|5 STEPS

Prints a loss every 1,000 steps, and how many seconds the steps took. The random numbers, and so the
losses, are the notebook's.
"""

import random
import sys
import time
from pathlib import Path

import torch
from torch.nn import functional as F

NAMES = Path(__file__).parent.parent / "assets" / "names.txt"
BATCH = 32


def examples(block_size):
    """The contexts of the names to train on, and what follows them."""
    words = NAMES.read_text().splitlines()
    characters = ["."] + sorted(set("".join(words)))
    index = {character: place for place, character in enumerate(characters)}
    random.seed(42)
    random.shuffle(words)
    xs, ys = [], []
    for word in words[: int(0.8 * len(words))]:
        context = [0] * block_size
        for character in word + ".":
            xs.append(context)
            ys.append(index[character])
            context = context[1:] + [index[character]]
    return torch.tensor(xs), torch.tensor(ys)


class Shallow:
    """Lecture 3: one hidden layer, and batch normalisation written into it."""

    block_size, lower_from = 3, 100_000

    def __init__(self):
        self.generator = torch.Generator().manual_seed(2147483647)
        randn = lambda *shape: torch.randn(shape, generator=self.generator)
        self.C = randn(27, 10)
        self.W1 = randn(30, 200) * (5 / 3) / 30**0.5
        self.W2 = randn(200, 27) * 0.01
        self.b2 = randn(27) * 0
        self.gain, self.bias = torch.ones(1, 200), torch.zeros(1, 200)
        self.mean, self.std = torch.zeros(1, 200), torch.ones(1, 200)

    def parameters(self):
        return [self.C, self.W1, self.W2, self.b2, self.gain, self.bias]

    def logits(self, x):
        hidden = self.C[x].view(x.shape[0], -1) @ self.W1
        mean, std = hidden.mean(0, keepdim=True), hidden.std(0, keepdim=True)
        hidden = self.gain * (hidden - mean) / std + self.bias
        with torch.no_grad():
            self.mean = 0.999 * self.mean + 0.001 * mean
            self.std = 0.999 * self.std + 0.001 * std
        return torch.tanh(hidden) @ self.W2 + self.b2


class Level:
    """Lecture 5: pairs of neighbours through a linear layer, batch normalisation and tanh."""

    def __init__(self, inputs, outputs):
        self.weight = torch.randn((inputs, outputs)) / inputs**0.5
        self.gamma, self.beta = torch.ones(outputs), torch.zeros(outputs)
        self.mean, self.var = torch.zeros(outputs), torch.ones(outputs)

    def __call__(self, x):
        B, T, C = x.shape
        x = x.view(B, T // 2, C * 2)
        x = (x.squeeze(1) if T == 2 else x) @ self.weight
        dims = 0 if x.ndim == 2 else (0, 1)
        mean, var = x.mean(dims, keepdim=True), x.var(dims, keepdim=True)
        x = self.gamma * ((x - mean) / torch.sqrt(var + 1e-5)) + self.beta
        with torch.no_grad():
            self.mean = 0.9 * self.mean + 0.1 * mean
            self.var = 0.9 * self.var + 0.1 * var
        return torch.tanh(x)


class WaveNet:
    block_size, lower_from = 8, 150_000
    generator = None

    def __init__(self):
        torch.manual_seed(42)
        self.C = torch.randn((27, 24))
        self.levels = [Level(48, 128), Level(256, 128), Level(256, 128)]
        self.W = torch.randn((128, 27)) / 128**0.5 * 0.1
        self.b = torch.zeros(27)

    def parameters(self):
        of_levels = [p for level in self.levels for p in (level.weight, level.gamma, level.beta)]
        return [self.C, *of_levels, self.W, self.b]

    def logits(self, x):
        x = self.C[x]
        for level in self.levels:
            x = level(x)
        return x @ self.W + self.b


def main():
    torch.set_num_threads(1)
    network = {"3": Shallow, "5": WaveNet}[sys.argv[1]]()
    X, Y = examples(network.block_size)
    parameters = network.parameters()
    for p in parameters:
        p.requires_grad = True
    losses = []
    start = time.perf_counter()
    for step in range(int(sys.argv[2])):
        rows = torch.randint(0, X.shape[0], (BATCH,), generator=network.generator)
        loss = F.cross_entropy(network.logits(X[rows]), Y[rows])
        for p in parameters:
            p.grad = None
        loss.backward()
        rate = 0.1 if step < network.lower_from else 0.01
        for p in parameters:
            p.data += -rate * p.grad
        if step % 1000 == 0:
            print(f"{step:7d}: {loss.item():.4f}")
        losses.append(loss.log10().item())
    print(f"seconds: {time.perf_counter() - start:.3f}")


main()
