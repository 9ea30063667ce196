"""Tests every reader of files with damaged files (fuzzing by atheris): `python -m tools.fuzz [TARGET ...]`.

Each target runs in its own process, with the restrictions of a process that reads an upload. Any error except the
refusals of a reader is a finding: its traceback is printed, its file is kept, and the exit status is 1. Without
--seconds each target tries a fixed number of files from a fixed seed, as in CI.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .targets import Target

ROOT = Path(__file__).resolve().parents[2]
SEED = 20261123
MOST_FILE_SECONDS = 10  # of a processor, for one file
MOST_TARGET_SECONDS = 600  # of a processor, for a target
MEMORY_MB = 6000
# atheris chooses files by the branches that they reach in these packages.
GUIDED = ["segmentation.core", "segmentation.services", "worker", "roifile", "mrcfile"]
# With these variables every run tries the same files: the order of sets is fixed, and only one thread is counted.
FIXED = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}


def main() -> int:
    if any(os.environ.get(name) != value for name, value in FIXED.items()):
        os.execve(sys.executable, [sys.executable, "-m", "tools.fuzz", *sys.argv[1:]], {**os.environ, **FIXED})
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("targets", nargs="*", help="all, if none is named")
    parser.add_argument("--seconds", type=int, default=0, help="for each target, in place of its number of files")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--jobs", type=int, default=2, help="targets at once")
    parser.add_argument("--findings", type=Path, help="folder for the files that break a reader")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="deepsegm-fuzz-") as folder:
        os.environ |= {"TMPDIR": folder, "DEEPSEGM_DATA": folder, "DJANGO_SETTINGS_MODULE": "deepsegm.settings"}
        tempfile.tempdir = None
        options.findings = (options.findings or Path(folder) / "findings").resolve()
        options.findings.mkdir(parents=True, exist_ok=True)
        targets = prepare_targets(options.targets)
        print(f"{len(targets)} targets, prepared in {time.process_time():.0f} s of a processor", flush=True)
        return 1 if sum(run(targets, options, Path(folder))) else 0


def prepare_targets(names: list[str]) -> dict[str, Target]:
    """The targets by name. The code that they call is instrumented once, for all their processes."""
    import atheris

    from segmentation.core.plugins import modules

    with atheris.instrument_imports(include=[*GUIDED, *modules()]):
        import django

        django.setup()
        from .targets import TARGETS

        return {name: TARGETS[name]() for name in names or TARGETS}


def run(targets: dict[str, Target], options: argparse.Namespace, folder: Path) -> list[bool]:
    """Run the targets, `options.jobs` at a time, and print the findings; returns whether each target failed."""
    waiting, running, failed = list(targets), dict[int, str](), list[bool]()
    while waiting or running:
        while waiting and len(running) < options.jobs:
            name = waiting.pop(0)
            if not (child := os.fork()):
                try:
                    fuzz(name, targets[name], options, folder)
                except BaseException:
                    traceback.print_exc()
                finally:
                    sys.stderr.flush()
                    os._exit(1)
            running[child] = name
        child, status, spent = os.wait3(0)
        name = running.pop(child)
        files = sorted(options.findings.glob(f"{name}-*.txt"))
        for file in files:
            print(f"== {file.with_suffix('')}\n{file.read_text()}")
        if status and not files:  # the process was killed: the last file is kept
            shutil.copytree(folder / name, options.findings / f"{name}-last", dirs_exist_ok=True)
            print((folder / f"{name}.log").read_text(errors="replace")[-4000:])
        print(
            f"{name}: {len(files)} findings, status {status}, {spent.ru_utime + spent.ru_stime:.0f} s of a processor",
            flush=True,
        )
        failed.append(bool(files or status))
    return failed


def fuzz(name: str, target: Target, options: argparse.Namespace, folder: Path) -> None:
    """Run one target in this process, which libFuzzer ends."""
    import atheris

    from segmentation.core.micrograph.confinement.confined import confine

    from .mutations import mutated
    from .targets import SMALL

    log = os.open(folder / f"{name}.log", os.O_WRONLY | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(log, stream)
    inputs, corpus = folder / name, folder / f"{name}-corpus"
    for made in (inputs, corpus):
        made.mkdir()
    for number, seed in enumerate(target.seeds()):
        if len(seed) <= SMALL:
            (corpus / f"{number:03}").write_bytes(seed)
    confine(MEMORY_MB, max(MOST_TARGET_SECONDS, 2 * options.seconds), [folder, options.findings])
    keys = set[str]()

    def run_file(content: bytes) -> None:
        began = time.process_time()
        try:
            target.run(content, inputs)
            if time.process_time() - began > MOST_FILE_SECONDS:
                raise TimeoutError(f"It took {time.process_time() - began:.0f} s.")
        except target.refusals as refusal:
            if not str(refusal) or "\n" in str(refusal):
                keep(refusal, content)
        except Exception as error:
            keep(error, content)

    def keep(error: Exception, content: bytes) -> None:
        """Store a finding, but only one for each type of error and line of our own code."""
        places = traceback.extract_tb(error.__traceback__)
        frame = next((entry for entry in reversed(places) if entry.filename.startswith(f"{ROOT}/")), places[-1])
        key = f"{name}-{type(error).__name__}-{Path(frame.filename).stem}-{frame.lineno}"
        if key not in keys:
            keys.add(key)
            (options.findings / key).write_bytes(content)
            (options.findings / f"{key}.txt").write_text("".join(traceback.format_exception(error))[-4000:])

    def mutate(content: bytes, most: int, seed: int) -> bytes:
        return mutated(content, random.Random(seed), lambda part: bytes(atheris.Mutate(part, len(part) + 64)))[:most]

    bound = f"-max_total_time={options.seconds}" if options.seconds else f"-runs={target.steps}"
    arguments = [bound, f"-seed={options.seed}", "-timeout=1000000", "-rss_limit_mb=0", "-print_final_stats=1",
                 f"-max_len={2 * SMALL}"]  # fmt: skip
    atheris.Setup([name, *arguments, str(corpus)], run_file, custom_mutator=mutate)
    try:
        atheris.Fuzz()
    except SystemExit as end:
        os._exit(int(end.code or 0))


if __name__ == "__main__":
    sys.exit(main())
