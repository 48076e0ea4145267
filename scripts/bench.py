"""Times our commands and the alternatives in turn, whole processes, and prints a Markdown table.

Run by scripts/bench.sh, which builds both sides.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from step_times import LIBTORCH, step_table

ROOT = Path(__file__).parent.parent
NAMES = ROOT / "assets" / "names.txt"
NOTES = ROOT / "scripts" / "notes.py"
LECTURE_STEPS = ROOT / "scripts" / "lecture_steps.py"


# How much of a command's standard output is kept, in bytes.
TAIL = 1 << 16


def run(command):
    """Seconds, peak memory in MB, and the end of standard output of a command that succeeds."""
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            [str(word) for word in command], stdout=output, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"bench: {' '.join(map(str, command))} exits with {process.returncode}")
        output.seek(max(0, output.seek(0, os.SEEK_END) - TAIL))
        tail = output.read().decode(errors="replace")
    unit = 1 << 20 if platform.system() == "Darwin" else 1 << 10
    return seconds, usage.ru_maxrss / unit, tail


def own_seconds(measured):
    """What notes.py says that its loop took, or the whole process."""
    seconds, _, tail = measured
    last = tail.strip().splitlines()[-1:]
    return float(last[0].split()[1]) if last and last[0].startswith("seconds:") else seconds


class Table:
    def __init__(self, program, pairs):
        self.program = program
        self.pairs = pairs
        print("| step | theirs | ours | theirs / ours (median, spread) | peak memory |")
        print("|---|---|---|---|---|")

    def row(self, step, theirs, ours, show, value=lambda measured: measured[0], their_value=None):
        """Runs both commands in turn; `value` turns a run into the figure that is compared.

        Ratios are of seconds or of seconds per unit: above 1 is in our favour. Each run follows an
        uncounted start of the same program: after twenty seconds of the other side's, the system
        may have let go of its libraries.
        """
        their_value = their_value or value
        starts = {"theirs": None, "ours": [self.program, "--version"]}
        if theirs and NOTES in theirs:
            starts["theirs"] = [*theirs[:2], "start"]
        run(ours)
        if theirs:
            run(theirs)
        figures, ratios, memory = {"theirs": [], "ours": []}, [], {"theirs": 0, "ours": 0}
        for _ in range(self.pairs):
            for side, command, of in (("theirs", theirs, their_value), ("ours", ours, value)):
                if command:
                    if starts[side]:
                        run(starts[side])
                    measured = run(command)
                    figures[side].append(of(measured))
                    memory[side] = max(memory[side], measured[1])
            if theirs:
                ratios.append(figures["theirs"][-1] / figures["ours"][-1])
        their_figure = show(statistics.median(figures["theirs"])) if theirs else ""
        ratio = ""
        if theirs:
            ratio = f"{statistics.median(ratios):.3g} ({min(ratios):.3g} to {max(ratios):.3g})"
        peak = f"{memory['theirs']:.0f} / {memory['ours']:.0f} MB" if theirs else f"{memory['ours']:.0f} MB"
        ours_figure = show(statistics.median(figures["ours"]))
        print(f"| {step} | {their_figure} | {ours_figure} | {ratio} | {peak} |", flush=True)


def seconds(value):
    return f"{value:.2f} s"


def rate(unit, amount):
    return lambda value: f"{amount / value:,.4g} {unit}"


def make_lists(folder, size):
    """Lists of about `size` bytes: the names again and again, and with accents."""
    names = NAMES.read_text() + "\n"
    accents = names.translate(str.maketrans("ane", "äñé"))
    lists = {}
    for name, text in (("ascii", names), ("accents", accents)):
        block = text.encode()
        lists[name] = Path(folder) / f"{name}.txt"
        with lists[name].open("wb") as file:
            for _ in range(max(1, size // len(block))):
                file.write(block)
    return lists


def draw_list(program, folder, size):
    """A list of about `size` bytes with many different words, drawn from a model of the names, its
    model of order 6, and a part of it with a space between characters, as KenLM reads it."""
    folder = Path(folder)
    model, drawn = folder / "names.safetensors", folder / "drawn.txt"
    train = [program, "train", "-q", "--type", "ngram", "--split", "100,0,0", "--out"]
    run([*train, model])
    with drawn.open("wb") as file:
        names = str(size // 7)
        draw = [program, "sample", "-q", "--plain", "--model", model, "-n", names]
        subprocess.run(draw, stdout=file, check=True)
    large = folder / "large.safetensors"
    run([*train, large, "--data", drawn])
    run([program, "export", "-q", folder / "large.arpa", "--model", large])
    tokens, part = folder / "tokens.txt", 0
    with drawn.open() as words, tokens.open("w") as file:
        for word in words:
            part += len(word)
            file.write(" ".join(word.rstrip("\n")) + "\n")
            if part > size // 5:
                break
    return drawn, model, large, tokens, part / 1e6


def ngram_rows(table, program, folder, size, names, start):
    """The rows of n-gram models, beside KenLM where its programs are on the path."""
    drawn, model, large, tokens, part = draw_list(program, folder, size)
    arpa = large.with_suffix(".arpa")
    amount = drawn.stat().st_size / 1e6
    out = Path(folder) / "ngram.safetensors"
    train = [program, "train", "-q", "--force", "--type", "ngram", "--out", out]
    whole = [*train, "--split", "100,0,0", "--data", drawn]
    lmplz, query = shutil.which("lmplz"), shutil.which("query")

    def of(megabytes):
        return lambda measured: measured[0] / megabytes

    def above_start(value):
        return f"{1000 * (value - start):.0f} ms above start"

    def shell(command):
        return ["sh", "-c", command] if lmplz and query else None

    per_second = rate("MB/s", 1)
    beside = ", beside KenLM" if lmplz and query else ""
    table.row(f"`train --type ngram --order 2`, {amount:.0f} MB of drawn names, beside `count`",
              [program, "count", "-q", "--data", drawn], [*whole, "--order", 2],
              per_second, of(amount))
    table.row(f"`train --type ngram --order 5`, the same{beside}",
              shell(f"{lmplz} -o 5 --discount_fallback <{tokens} >{folder}/theirs.arpa"),
              [*whole, "--order", 5], per_second, of(amount), of(part))
    table.row(f"`score` with the model of order 6, the same{beside}",
              shell(f"{query} -v summary {arpa} <{tokens}"),
              [program, "score", "-q", "--model", large, "--data", drawn],
              per_second, of(amount), of(part))
    table.row(f"`sample --plain` of order 6, {names:,} names", None,
              [program, "sample", "--plain", "--model", model, "-n", names],
              lambda value: f"{1 / value:,.0f} names/s", lambda measured: measured[0] / names)
    with arpa.open() as lines:
        ngrams = sum(int(line.split("=")[1]) for line in lines.readlines(2000)
                     if line.startswith("ngram "))
    for file, kind in ((large, "a checkpoint"), (arpa, "an ARPA file")):
        table.row(f"loading {kind} of {ngrams / 1e6:.1f} million n-grams (`score emma`){beside if file == arpa else ''}",
                  shell(f"echo e m m a | {query} -v summary {arpa}") if file == arpa else None,
                  [program, "score", "--model", file, "emma"], above_start,
                  their_value=lambda measured: measured[0] + start)
    table.row("`train --type ngram`, the names at order 6", None, train, above_start)


def lecture_rows(table, program, python, steps=5000):
    """The training steps of lectures 3 and 5, on one thread each."""
    for lecture in (3, 5):
        theirs = [python, LECTURE_STEPS, lecture, steps]
        ours = [program, "lecture", lecture, "--steps", steps, "--json", "-q"]

        def own(measured):
            shown = json.loads(measured[2])["steps"]
            return next(step["training"]["seconds"] for step in shown if "training" in step)

        table.row(f"`lecture {lecture}`, a training step of {steps:,}, beside the notebook's",
                  theirs if python else None, ours,
                  lambda value: f"{1000 * value / steps:.3f} ms", own, own_seconds)


def empty_program(folder):
    """A program that does nothing, linked to the same libtorch."""
    lib = LIBTORCH / "lib"
    source, program = Path(folder) / "empty.c", Path(folder) / "empty"
    source.write_text(
        "extern unsigned long aoti_torch_abi_version(void);\n"
        "int main(void) { return aoti_torch_abi_version() == 0; }\n"
    )
    link = [f"-L{lib}", f"-Wl,-rpath,{lib}", "-ltorch_cpu", "-lc10"]
    subprocess.run(["cc", source, "-o", program, *link], check=True)
    return program


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=Path, help="makemore-tch, built in release mode")
    parser.add_argument("--python", help="a Python with torch, numpy and matplotlib")
    parser.add_argument("--quick", action="store_true", help="without Python's side")
    parser.add_argument("--steps", action="store_true", help="training steps alone")
    parser.add_argument("--makemore", type=Path, metavar="MAKEMORE.PY",
                        help="training steps beside this program's")
    options = parser.parse_args()
    ours = options.program
    size = 200_000_000 if options.quick else 1_000_000_000
    names = 1_000_000 if options.quick else 10_000_000

    def notes(*arguments):
        return [options.python, NOTES, *arguments] if options.python else None

    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        processor = models[0].split(":")[1].strip() if models else processor
    print(f"{processor}, {os.cpu_count()} processors, {platform.system()} {platform.machine()}\n")

    step_table(options.python, options.makemore, 3 if options.quick else 5)
    if options.steps:
        return

    print()
    table = Table(ours, 3 if options.quick else 5)
    with tempfile.TemporaryDirectory() as folder:
        lists = make_lists(folder, size)
        out = Path(folder) / "model.safetensors"
        picture = Path(folder) / "heatmap.png"
        empty = empty_program(folder)
        for _ in range(3):
            start, _, _ = run([empty])

        train = [ours, "train", "-q", "--force", "--out", out]
        table.row("start (`--version`), beside an empty program with the same libtorch",
                  [empty], [ours, "--version"], seconds)
        if options.python:
            table.row("start, beside `import torch`", notes("start"), [ours, "--version"], seconds)
        table.row("`train`, the notes' recipe, whole process", notes("train"), train, seconds)
        epochs = 60

        def per_epoch(measured):
            return (measured[0] - start) / (epochs + 1)

        table.row("`train --rows all`, an epoch", notes("train-all", epochs),
                  [*train, "--rows", "all", "--epochs", epochs],
                  lambda value: f"{1000 * value:.0f} ms", per_epoch,
                  lambda measured: own_seconds(measured) / (epochs + 1))
        for name, label in (("ascii", "ASCII"), ("accents", "other UTF-8")):
            amount = lists[name].stat().st_size / 1e6
            table.row(f"`count`, {amount:.0f} MB of {label}, beside `wc -l`",
                      ["wc", "-l", lists[name]], [ours, "count", "--data", lists[name]],
                      rate("MB/s", amount))
        if options.python:
            part = Path(folder) / "part.txt"
            part.write_bytes((NAMES.read_bytes() + b"\n") * 90)
            amount = part.stat().st_size / 1e6
            table.row(f"`count`, {amount:.0f} MB of ASCII, beside Python's `Counter`",
                      notes("count", part), [ours, "count", "--data", part], rate("MB/s", amount))
        table.row("`score`, the data set", notes("score"), [ours, "score"], seconds)
        amount = lists["ascii"].stat().st_size / 1e6
        table.row(f"`score`, {amount:.0f} MB of ASCII", None,
                  [ours, "score", "--data", lists["ascii"]], rate("MB/s", amount))
        table.row(f"`train`, {amount:.0f} MB of ASCII, whole process", None,
                  [*train, "--data", lists["ascii"]], seconds)
        few = 10_000

        def per_name(measured):
            return measured[0] / names

        table.row(f"`sample --plain`, {names:,} names", notes("sample", few),
                  [ours, "sample", "--plain", "-n", names],
                  lambda value: f"{1 / value:,.0f} names/s", per_name,
                  lambda measured: own_seconds(measured) / few)
        table.row("`heatmap`, whole process", notes("heatmap", picture),
                  [ours, "heatmap", "-q", picture], seconds)
        lecture_rows(table, ours, options.python)
        for _ in range(3):
            start, _, _ = run([ours, "--version"])
        ngram_rows(table, ours, folder, size // 10, names, start)


main()
