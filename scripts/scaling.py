"""Times trainings and counting by 1, 2 and 4 processes of one thread in turn, fits a model of latency and
bandwidth to the exchanges, and prints Markdown tables. Run by scripts/scaling.sh.

The model. A step of R processes with a batch of B words takes

    compute(B / R) + exchange(R)

compute(b) is measured with one process and a batch of b. In an exchange each process sends every other one its
part of the gradient, and then each sends its summed part to all: 2 (R - 1) messages, and 2 (R - 1) / R of the
gradient's bytes, in and out:

    exchange(R) = 2 (R - 1) latency + 2 (R - 1) / R bytes / bandwidth
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

NAMES = Path(__file__).parent.parent / "assets" / "names.txt"
PLACES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
PROCESSORS = len(PLACES)
RANKS = (1, 2, 4)
# The first has few numbers, which shows what a message costs.
KINDS = ("rnn", "gru", "transformer")
BATCHES = (128, 256, 1024)
# Gbit/s, and seconds for a small message over a switch: usual figures of such networks, not measured here.
NETWORKS = ((10, 30e-6), (100, 10e-6))
FURTHER = (8, 32, 128, 1024)
LARGE = (1024, 8192, 65536)


def started(command, folder, **options):
    return subprocess.Popen(
        list(map(str, command)), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def output(process):
    printed, said = process.communicate()
    if process.returncode:
        raise SystemExit(f"scaling: {' '.join(process.args)}: {said.strip()}")
    return printed


def place(rank, ranks, port):
    """The variables that tell a process its place."""
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks, "MASTER_PORT": port}
    return {name: str(value) for name, value in names.items()} | {"MASTER_ADDR": "127.0.0.1"}


class Machine:
    def __init__(self, program, folder, rounds, steps):
        self.program, self.folder, self.rounds, self.steps = program, folder, rounds, steps

    def step(self, kind, ranks, batch):
        """Seconds a step, and the number of parameters."""
        steps = max(4, self.steps * 128 // batch)
        command = ["train", "--type", kind, "--batch-size", batch, "--threads", 1, "--max-steps", steps]
        command += ["--eval-every", steps, "--split", "100,0,0", "--out", "scaling.safetensors", "--force", "--json"]
        launch = ["launch", ranks, "--"] if ranks > 1 else []
        result = json.loads(output(started([self.program, *launch, *command], self.folder)))
        return result["step_ms"] / 1000, result["parameters"]

    def seconds(self, ranks, command):
        """Of a command that has a thread for each processor that it may use, which the processes divide. They are
        started together, as torchrun does it."""
        distributed = ["--distributed"] if ranks > 1 else []
        # Below those that systems give to connections, as these processes try to make from the start.
        port = random.randrange(10_000, 30_000)
        start = time.perf_counter()
        processes = [
            started(
                [self.program, *command, *distributed],
                self.folder,
                env=os.environ | place(rank, ranks, port),
                preexec_fn=lambda: os.sched_setaffinity(0, PLACES[:ranks]),
            )
            for rank in range(ranks)
        ]
        for process in processes:
            output(process)
        return time.perf_counter() - start

    def in_turn(self, measures):
        """The least of several runs of each, one after the other: other programs only ever add."""
        runs = [[measure() for measure in measures] for _ in range(self.rounds)]
        return [min(of_one) for of_one in zip(*runs)]


def fit(points):
    """Seconds a message and seconds a byte by least squares, from (ranks, bytes, seconds) of several sizes."""
    rows = [(2 * (r - 1), 2 * (r - 1) / r * size, t) for r, size, t in points]
    sums = {(i, j): sum(row[i] * row[j] for row in rows) for i in range(3) for j in range(3)}
    det = sums[0, 0] * sums[1, 1] - sums[0, 1] ** 2
    latency = (sums[0, 2] * sums[1, 1] - sums[1, 2] * sums[0, 1]) / det
    per_byte = (sums[1, 2] * sums[0, 0] - sums[0, 2] * sums[0, 1]) / det
    # Neither is negative: where the noise says so, the other alone fits best.
    if latency < 0:
        return 0.0, max(sums[1, 2] / sums[1, 1], 0.0)
    if per_byte < 0:
        return max(sums[0, 2] / sums[0, 0], 0.0), 0.0
    return latency, per_byte


def exchange(ranks, size, latency, per_byte):
    return 2 * (ranks - 1) * latency + 2 * (ranks - 1) / ranks * size * per_byte


def line(points):
    """The line through (x, y) by least squares: compute(b) of a batch that was not measured."""
    xs, ys = zip(*points)
    mx, my = statistics.mean(xs), statistics.mean(ys)
    slope = sum((x - mx) * (y - my) for x, y in points) / sum((x - mx) ** 2 for x in xs)
    return lambda x: my + slope * (x - mx)


class Training:
    """Steps of a kind of network, measured in turn."""

    def __init__(self, machine, kind):
        self.kind, self.size = kind, 4 * machine.step(kind, 1, 32)[1]
        parts = sorted({batch // ranks for batch in BATCHES for ranks in RANKS})
        shared = [(ranks, batch) for batch in BATCHES for ranks in RANKS[1:]]
        measures = [lambda b=b: machine.step(kind, 1, b)[0] for b in parts]
        measures += [lambda r=r, b=b: machine.step(kind, r, b)[0] for r, b in shared]
        times = machine.in_turn(measures)
        self.compute, self.steps = dict(zip(parts, times)), dict(zip(shared, times[len(parts) :]))

    def exchanges(self):
        """(ranks, bytes, seconds) where each process had a processor; more wait for each other's computing. An
        exchange does not depend on the batch, and what disturbs it only adds: the least one counts."""
        return [
            (ranks, self.size, max(min(self.steps[ranks, b] - self.compute[b // ranks] for b in BATCHES), 0.0))
            for ranks in RANKS[1:]
            if ranks <= PROCESSORS
        ]

    def print(self, latency, per_byte):
        print(f"\n`{self.kind}`, {self.size / 1e6:.2f} MB of gradients\n")
        print("| batch | processes | ms a step | times one | efficiency | exchange | ms by the model |")
        print("|---|---|---|---|---|---|---|")
        for batch in BATCHES:
            print(f"| {batch} | 1 | {self.compute[batch] * 1e3:.1f} | | | | |")
            for ranks in RANKS[1:]:
                step, alone = self.steps[ranks, batch], self.compute[batch // ranks]
                gain = self.compute[batch] / step
                cells = f"| {batch} | {ranks} | {step * 1e3:.1f} | {gain:.2f} |"
                if ranks <= PROCESSORS:
                    model = alone + exchange(ranks, self.size, latency, per_byte)
                    cells += f" {gain / ranks:.0%} | {max(step - alone, 0) / step:.0%} | {model * 1e3:.1f} |"
                else:
                    cells += f" on {PROCESSORS} processors | | |"
                print(cells)
        further(self.kind, self.size, line(list(self.compute.items())))


def train(machine):
    trainings = [Training(machine, kind) for kind in KINDS]
    latency, per_byte = fit([point for training in trainings for point in training.exchanges()])
    bandwidth = f"{1e-9 / per_byte:.2f} GB/s" if per_byte else "a bandwidth too high to be seen"
    print(f"\nFitted to these exchanges: {latency * 1e6:.0f} µs a message, {bandwidth}")
    for training in trainings:
        training.print(latency, per_byte)


def further(kind, size, compute):
    print(f"\nComputed, not measured: the gain of `{kind}` over one process with the same batch\n")
    print("| batch | network | " + " | ".join(f"{ranks} processes" for ranks in FURTHER) + " |")
    print("|---|---|" + "---|" * len(FURTHER))
    for batch in LARGE:
        for gigabits, latency in NETWORKS:
            cells = []
            for ranks in FURTHER:
                if batch < 16 * ranks:
                    cells.append("")
                    continue
                step = compute(batch / ranks) + exchange(ranks, size, latency, 8e-9 / gigabits)
                cells.append(f"{compute(batch) / step:.0f} ({compute(batch) / step / ranks:.0%})")
            print(f"| {batch} | {gigabits} Gbit/s, {latency * 1e6:.0f} µs | " + " | ".join(cells) + " |")


def lists(machine, size):
    """A list of about `size` bytes, and counting and n-grams of it."""
    names = NAMES.read_bytes().rstrip(b"\n") + b"\n"
    path = Path(machine.folder) / "names.txt"
    with path.open("wb") as file:
        for _ in range(max(1, size // len(names))):
            file.write(names)
    print(f"\nA list of {path.stat().st_size / 1e9:.2f} GB\n")
    print("| | processes | seconds | times one | efficiency |")
    print("|---|---|---|---|---|")
    counting = ["count", "--data", path]
    ngrams = ["train", "--type", "ngram", "--order", 5, "--data", path]
    ngrams += ["--split", "100,0,0", "--out", "ngrams.safetensors", "--force"]
    for name, command in (("`count`", counting), ("n-grams of order 5", ngrams)):
        times = machine.in_turn([lambda r=r: machine.seconds(r, command) for r in RANKS])
        for ranks, seconds in zip(RANKS, times):
            gain = times[0] / seconds
            efficiency = gain / min(ranks, PROCESSORS)
            print(f"| {name} | {ranks} | {seconds:.2f} | {gain:.2f} | {efficiency:.0%} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("program")
    options = parser.parse_args()
    if not PLACES:
        raise SystemExit("scaling: this system does not give a process one processor alone; Linux would work")
    if PROCESSORS < 2:
        raise SystemExit("scaling: there is 1 processor, and processes gain by more; a machine with 2 would work")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(options.program).resolve()
        machine = Machine(program, folder, *((2, 12) if options.quick else (5, 40)))
        print(f"{PROCESSORS} processors; the least of {machine.rounds} runs in turn, one thread a process")
        train(machine)
        lists(machine, 10**8 if options.quick else 4 * 10**9)


if __name__ == "__main__":
    main()
