"""The lecture's notes in Python, a step at a time, as scripts/bench.py times them.

usage: notes.py train | train-all EPOCHS | sample NAMES | score | heatmap FILE | count FILE | start
"""

import sys
import time
from pathlib import Path

NAMES = Path(__file__).parent.parent / "assets" / "names.txt"


def encoded(words):
    stoi = {s: i + 1 for i, s in enumerate("abcdefghijklmnopqrstuvwxyz")}
    stoi["."] = 0
    for word in words:
        chs = "." + word + "."
        for c1, c2 in zip(chs, chs[1:]):
            yield stoi[c1], stoi[c2]


def probabilities(words):
    import torch

    N = torch.zeros((27, 27), dtype=torch.int32)
    counter = {}
    for bigram in encoded(words):
        counter[bigram] = counter.get(bigram, 0) + 1
    for (i, j), count in counter.items():
        N[i, j] = count
    P = (N + 1).float()
    P /= P.sum(1, keepdims=True)
    return N, P


def train(words, epochs):
    import torch
    import torch.nn.functional as F

    xs, ys = (torch.tensor(column) for column in zip(*encoded(words)))
    xenc = F.one_hot(xs, num_classes=27).float()
    g = torch.Generator().manual_seed(420)
    W = torch.randn((27, 27), generator=g, requires_grad=True)
    start = time.perf_counter()
    for i in range(-1, epochs):
        logits = xenc @ W
        counts = logits.exp()
        probs = counts / counts.sum(1, keepdim=True)
        loss = -probs[torch.arange(len(xs)), ys].log().mean()
        if i >= 0 and i % 50 == 0:
            print(f"Epochs: {i}, loss: {loss.item()}")
        W.grad = None
        loss.backward()
        W.data += -(50 if i >= 0 else 0.1) * W.grad
    print(f"seconds: {time.perf_counter() - start}")


def sample(words, names):
    import torch

    _, P = probabilities(words)
    g = torch.Generator().manual_seed(420)
    start = time.perf_counter()
    for _ in range(names):
        out, ix = [], 0
        while True:
            ix = torch.multinomial(P[ix], num_samples=1, replacement=True, generator=g).item()
            if ix == 0:
                break
            out.append(chr(96 + ix))
        print("".join(out))
    print(f"seconds: {time.perf_counter() - start}")


def score(words):
    import torch

    _, P = probabilities(words)
    nlls, n = [], 0
    for word in words:
        log_likelihood = 0.0
        for i, j in encoded([word]):
            log_likelihood += torch.log(P[i, j])
            n += 1
        nlls.append(-log_likelihood)
    print(f"Average negative log-likelihood: {sum(nlls) / n:.6f}")


def heatmap(words, file):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    N, _ = probabilities(words)
    itos = "." + "abcdefghijklmnopqrstuvwxyz"
    plt.figure(figsize=(16, 16))
    plt.imshow(N, cmap="Blues")
    for i in range(27):
        for j in range(27):
            plt.text(j, i, itos[i] + itos[j], ha="center", va="bottom", color="gray")
            plt.text(j, i, N[i, j].item(), ha="center", va="top", color="gray")
    plt.axis("off")
    plt.savefig(file)


def count(file):
    from collections import Counter

    counter = Counter()
    with open(file, encoding="utf-8") as lines:
        for word in lines:
            chs = "." + word.strip() + "."
            counter.update(zip(chs, chs[1:]))
    for (c1, c2), frequency in counter.most_common(5):
        print(f"Frequency of {c1}{c2}: {frequency}")


def main():
    step, *arguments = sys.argv[1:]
    if step == "count":
        return count(arguments[0])
    words = NAMES.read_text().splitlines()
    if step == "train":
        train(words, 301)
    elif step == "train-all":
        train(words, int(arguments[0]))
    elif step == "sample":
        sample(words, int(arguments[0]))
    elif step == "score":
        score(words)
    elif step == "heatmap":
        heatmap(words, arguments[0])
    elif step == "start":
        import torch  # noqa: F401


main()
