"""Runs makemore.py's networks for some steps and writes what tests/fixtures/makemore/ has.

    python scripts/makemore_fixtures.py MAKEMORE.PY OUT_FOLDER

MAKEMORE.PY is that of https://github.com/karpathy/makemore; Python needs torch 2.13 and safetensors.
Small sizes, so that the files are; otherwise as it trains: batches of words drawn with
replacement, AdamW at 5e-4 with weight decay 0.01 and betas of 0.9 and 0.99.

batches.safetensors has `x` and `y`, [steps, batch, block size], u8: `y` is 255 where makemore.py
has -1. Each of the others has a network's parameters before the first step, and `losses`, [steps],
and `output`, [batch, block size, vocabulary], the logits of the first batch after the last step.
"""

import importlib.util
import sys
import types
from pathlib import Path

import torch
from safetensors.torch import save_file

STEPS, BATCH = 200, 8
NAMES = Path(__file__).parent.parent / "assets" / "names.txt"


def load(path):
    """makemore.py as a module, without its TensorBoard."""
    tensorboard = types.ModuleType("torch.utils.tensorboard")
    tensorboard.SummaryWriter = None
    sys.modules["torch.utils.tensorboard"] = tensorboard
    spec = importlib.util.spec_from_file_location("makemore", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def networks(makemore, config):
    """As its main program makes them."""
    return {
        "transformer": lambda: makemore.Transformer(config),
        "bow": lambda: makemore.BoW(config),
        "rnn": lambda: makemore.RNN(config, cell_type="rnn"),
        "gru": lambda: makemore.RNN(config, cell_type="gru"),
        "mlp": lambda: makemore.MLP(config),
        "bigram": lambda: makemore.Bigram(config),
    }


def main():
    makemore, out = load(sys.argv[1]), Path(sys.argv[2])
    words = NAMES.read_text().splitlines()
    block_size = max(map(len, words)) + 1
    dataset = makemore.CharDataset(words, sorted(set("".join(words))), block_size - 1)
    torch.manual_seed(3407)
    chosen = torch.randint(len(words), (STEPS, BATCH))
    pairs = [[dataset[int(word)] for word in batch] for batch in chosen]
    xs = torch.stack([torch.stack([x for x, _ in batch]) for batch in pairs])
    ys = torch.stack([torch.stack([y for _, y in batch]) for batch in pairs])
    u8 = {"x": xs.to(torch.uint8), "y": torch.where(ys < 0, 255, ys).to(torch.uint8)}
    save_file(u8, out / "batches.safetensors")

    config = makemore.ModelConfig(
        vocab_size=dataset.get_vocab_size(), block_size=block_size,
        n_layer=2, n_head=4, n_embd=16, n_embd2=24,
    )
    for name, make in networks(makemore, config).items():
        torch.manual_seed(3407)
        model = make()
        buffers = {buffer for buffer, _ in model.named_buffers()}
        tensors = {key: value.clone() for key, value in model.state_dict().items() if key not in buffers}
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=5e-4, weight_decay=0.01, betas=(0.9, 0.99), eps=1e-8
        )
        losses = []
        for x, y in zip(xs, ys):
            _, loss = model(x.clone(), y)
            model.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        with torch.no_grad():
            tensors["output"] = model(xs[0].clone())[0].contiguous()
        tensors["losses"] = torch.tensor(losses)
        save_file(tensors, out / f"{name}.safetensors")


main()
