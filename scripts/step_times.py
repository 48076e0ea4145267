"""Times a training step of each network beside its matrix products alone, and beside makemore.py's.

All are in turn on the same batches, each on one thread: the least of many steps on a batch, in the
processor's time. What else runs on the machine is not in it, and takes from the caches of some of them only.
Used by scripts/bench.py.
"""

import contextlib
import json
import os
import platform
import random
import statistics
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
NAMES = ROOT / "assets" / "names.txt"
MAKEMORE_STEPS = ROOT / "scripts" / "makemore_steps.py"
LIBTORCH = Path(os.environ.get("LIBTORCH", ROOT / "libtorch" / "torch"))

KINDS = ("lookup", "mlp", "bow", "rnn", "gru", "lstm", "transformer", "wavenet")
# What is said of a network beside its name.
LABELS = {
    "lookup": "bigram (makemore.py's, a table of logits)",
    "lstm": "lstm (theirs: `torch.nn.LSTM` with an embedding and a linear layer)",
}
# Our settings have no table of logits, and makemore.py no such network as lecture 5's.
NOT_OURS, NOT_THEIRS = "lookup", "wavenet"


def benchmark():
    """The benchmark in Rust, built as the program is."""
    build = ["cargo", "build", "--quiet", "--release", "--locked", "--bench", "steps",
             "--message-format=json-render-diagnostics"]
    built = subprocess.run(build, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    messages = map(json.loads, built.splitlines())
    return next(message["executable"] for message in messages
                if message.get("executable") and message["target"]["kind"] == ["bench"])


def products(folder):
    """The benchmark's part in C++. The names of libtorch are found in the program that loads it."""
    library = Path(folder) / "products.so"
    include = LIBTORCH / "include"
    headers = ["-isystem", include / "torch/csrc/api/include", "-isystem", include]
    link = ["-undefined", "dynamic_lookup"] if platform.system() == "Darwin" else []
    # As libtorch is compiled.
    options = ["-std=c++17", "-O2", "-DNDEBUG", "-shared", "-fPIC", *link]
    source = ROOT / "tests" / "benches" / "products.cpp"
    subprocess.run([os.environ.get("CXX", "c++"), *options, *headers, source, "-o", library], check=True)
    return library


class Side:
    """A process that answers lines with lines of JSON."""

    def __init__(self, *command):
        words = [str(word) for word in command]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"bench: {self.process.args} ended before its time")
        return json.loads(line)

    def ask(self, line):
        print(line, file=self.process.stdin, flush=True)
        return self.read()


def measure(about, sides, names, rounds):
    """The milliseconds of each side on each batch."""
    times = {}
    # The first batch is not counted: PyTorch compiles meanwhile.
    for number in range(rounds + 1):
        batch = " ".join(random.Random(number).sample(names, about["batch_size"]))
        answers = [side.ask(batch) for side in sides]
        for answer in answers if number else []:
            for name, milliseconds in answer.items():
                times.setdefault(name, []).append(milliseconds)
    return times


def step_table(python, makemore, rounds):
    """Prints the table; the columns of PyTorch stay empty without a Python and makemore.py. Below it is a
    short one of makemore.py's sizes."""
    print("Milliseconds of a training step on one thread: batch, forward, backward, update. Beside ours the")
    print("matrix products in it, computed alone by this libtorch. Beside them makemore.py's step, as written")
    print("and with `torch.compile` and the fused AdamW; at our settings ours alone has dropout and Muon where")
    print("these say so. The least of many steps on a batch, in the processor's time; medians of")
    print(f"{rounds} batches, and the spread of their ratios.\n")
    print("| network | sizes | ours | its products | ours / products | PyTorch | PyTorch / ours | compiled | compiled / ours |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    names = NAMES.read_text().splitlines()
    program, short = benchmark(), []
    with tempfile.TemporaryDirectory() as folder:
        library = products(folder)
        for preset in ("makemore", "ours"):
            for kind in KINDS:
                if preset == "ours" and kind == NOT_OURS:
                    continue
                with contextlib.ExitStack() as stack:
                    sides = [stack.enter_context(Side(program, library, kind, preset))]
                    about = sides[0].read()
                    if makemore and kind != NOT_THEIRS:
                        theirs = stack.enter_context(Side(python, MAKEMORE_STEPS, makemore, kind))
                        theirs.ask(json.dumps(about["sizes"]))
                        sides.append(theirs)
                    times = measure(about, sides, names, rounds)
                label = LABELS.get(kind, kind)
                print(f"| {label} | {sizes(preset, about)} | {' | '.join(cells(times))} |", flush=True)
                if preset == "makemore":
                    sides = ("step", "written", "compiled", "products")
                    short.append([label, *(figure(times.get(side)) for side in sides)])
    print("\n| network | ours | PyTorch as written | PyTorch compiled | our matrix products alone |")
    print("|---|---|---|---|---|")
    for row in short:
        print(f"| {' | '.join(row)} |")


def sizes(preset, about):
    named = [f"{name} {about['sizes'][name]}" for name in about["named"] if name in about["sizes"]]
    whose = "makemore.py's" if preset == "makemore" else "ours"
    return f"{whose}: {', '.join([*named, 'batches of ' + str(about['batch_size'])])}"


def figure(milliseconds):
    """The median of all batches; nothing for a side that was not measured."""
    return f"{statistics.median(milliseconds):.3g}" if milliseconds and None not in milliseconds else ""


def cells(times):
    own = times["step"]
    row = [figure(own)]
    for side in ("products", "written", "compiled"):
        others = times.get(side)
        row.append(figure(others))
        if not row[-1]:
            row.append("")
            continue
        pairs = zip(own, others) if side == "products" else zip(others, own)
        ratios = [of / to for of, to in pairs]
        row.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    return row
