"""Times makemore.py's training steps, as scripts/bench.py asks for them.

usage: makemore_steps.py MAKEMORE.PY TYPE loop|shipped STEPS

`loop`: on one thread, as ours, and batches are rows of tensors that were made before. `shipped`: on
as many as torch takes by itself, and batches come from its InfiniteDataLoader with 4 workers, as its
main program has it. Types are its own, and `lstm`, which it does not have: torch.nn.LSTM between an
embedding and a linear layer of the same sizes. Prints the milliseconds of a step, in the fastest of
ten parts of the steps: its threads and workers wait for each other, the longer the busier the machine.
"""

import contextlib
import importlib.util
import io
import sys
import time
from pathlib import Path

import torch
from torch.nn import functional as F

NAMES = Path(__file__).parent.parent / "assets" / "names.txt"
BATCH = 32


def load(path):
    """makemore.py as a module."""
    spec = importlib.util.spec_from_file_location("makemore", path)
    module = importlib.util.module_from_spec(spec)
    # The workers of its loader look its classes up by the module's name.
    sys.modules["makemore"] = module
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
        "bigram": lambda: makemore.Bigram(config),
        "mlp": lambda: makemore.MLP(config),
        "bow": lambda: makemore.BoW(config),
        "rnn": lambda: makemore.RNN(config, cell_type="rnn"),
        "gru": lambda: makemore.RNN(config, cell_type="gru"),
        "lstm": lambda: Lstm(config),
        "transformer": lambda: makemore.Transformer(config),
    }[kind]()


def main():
    path, kind, way, steps = *sys.argv[1:4], int(sys.argv[4])
    makemore = load(path)
    torch.manual_seed(3407)
    words = NAMES.read_text().splitlines()
    dataset = makemore.CharDataset(words, sorted(set("".join(words))), max(map(len, words)))
    config = makemore.ModelConfig(
        vocab_size=dataset.get_vocab_size(), block_size=dataset.get_output_length()
    )
    with contextlib.redirect_stdout(io.StringIO()):
        model = make(makemore, kind, config)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=5e-4, weight_decay=0.01, betas=(0.9, 0.99), eps=1e-8
    )
    if way == "shipped":
        loader = makemore.InfiniteDataLoader(
            dataset, batch_size=BATCH, pin_memory=True, num_workers=4
        )
        batch = loader.next
    else:
        torch.set_num_threads(1)
        X, Y = map(torch.stack, zip(*(dataset[index] for index in range(len(words)))))

        def batch():
            rows = torch.randint(len(words), (BATCH,))
            return X[rows], Y[rows]

    def train(steps):
        start = time.perf_counter()
        for _ in range(steps):
            x, y = batch()
            _, loss = model(x, y)
            model.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

        return 1000 * (time.perf_counter() - start) / steps

    train(10)
    print(min(train(steps // 10) for _ in range(10)))


main()
