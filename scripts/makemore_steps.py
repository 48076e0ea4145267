"""Times makemore.py's training steps, as scripts/step_times.py asks for them.

usage: makemore_steps.py MAKEMORE.PY TYPE

Reads sizes as a line of JSON. Then for each line of words, which are a batch, a line of JSON tells the
milliseconds of a step as makemore.py has it (`written`), and with torch.compile and the fused AdamW
(`compiled`): the least of many, in the processor's time, on one thread, the batch made before. Types are
ours: `lookup` is its bigram; for `lstm`, which it does not have, torch.nn.LSTM stands between an embedding
and a linear layer of the same sizes.
"""

import contextlib
import copy
import importlib.util
import io
import json
import sys
import time
from pathlib import Path

import torch
from torch.nn import functional as F

NAMES = Path(__file__).parent.parent / "assets" / "names.txt"

# How long a batch is measured, and one side before it is the other's turn, in seconds.
MEASURED, TURN = 0.4, 0.01


def load(path):
    """makemore.py as a module."""
    spec = importlib.util.spec_from_file_location("makemore", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Lstm(torch.nn.Module):
    """Its RNN with torch.nn.LSTM as the cell."""

    def __init__(self, config):
        super().__init__()
        self.wte = torch.nn.Embedding(config.vocab_size, config.n_embd)
        self.lstm = torch.nn.LSTM(config.n_embd, config.n_embd2, batch_first=True)
        self.lm_head = torch.nn.Linear(config.n_embd2, config.vocab_size)

    def forward(self, idx, targets=None):
        logits = self.lm_head(self.lstm(self.wte(idx))[0])
        loss = None
        if targets is not None:
            loss = F.cross_entropy(
                logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1
            )
        return logits, loss


def make(makemore, kind, config):
    """The network, as its main program makes it."""
    return {
        "lookup": lambda: makemore.Bigram(config),
        "mlp": lambda: makemore.MLP(config),
        "bow": lambda: makemore.BoW(config),
        "rnn": lambda: makemore.RNN(config, cell_type="rnn"),
        "gru": lambda: makemore.RNN(config, cell_type="gru"),
        "lstm": lambda: Lstm(config),
        "transformer": lambda: makemore.Transformer(config),
    }[kind]()


def turn(step, times):
    """Runs one side, uncounted at first, since the other side's numbers are in the caches."""
    step()
    start = before = time.process_time()
    while before - start < TURN:
        step()
        after = time.process_time()
        times.append(1000 * (after - before))
        before = after


def main():
    path, kind = sys.argv[1:]
    torch.set_num_threads(1)
    torch.manual_seed(3407)
    makemore = load(path)
    words = NAMES.read_text().splitlines()
    characters, longest = sorted(set("".join(words))), max(map(len, words))
    dataset = makemore.CharDataset(words, characters, longest)
    sizes = json.loads(sys.stdin.readline())
    config = makemore.ModelConfig(
        vocab_size=dataset.get_vocab_size(), block_size=dataset.get_output_length(),
        **{name: sizes[name] for name in ("n_layer", "n_embd", "n_embd2", "n_head")}
    )
    with contextlib.redirect_stdout(io.StringIO()):
        written = make(makemore, kind, config)
    models = {"written": written, "compiled": copy.deepcopy(written)}
    trained = {}
    for name, model in models.items():
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=5e-4, weight_decay=0.01, betas=(0.9, 0.99), eps=1e-8,
            fused=name == "compiled",
        )
        trained[name] = torch.compile(model) if name == "compiled" else model, optimizer
    print("{}", flush=True)
    for line in sys.stdin:
        batch = makemore.CharDataset(line.split(), characters, longest)
        x, y = map(torch.stack, zip(*(batch[index] for index in range(len(batch)))))
        times = {name: [] for name in trained}
        start = time.process_time()
        while not all(times.values()) or time.process_time() - start < MEASURED:
            for name, (model, optimizer) in trained.items():

                def step():
                    _, loss = model(x, y)
                    model.zero_grad(set_to_none=True)
                    loss.backward()
                    optimizer.step()

                turn(step, times[name])
        print(json.dumps({name: min(of) for name, of in times.items()}), flush=True)


main()
