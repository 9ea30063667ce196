"""`Growth`, which measures whether memory, temporary files, messages or the log of a site grow while it works."""

from __future__ import annotations

from pathlib import Path

import psutil

from .site import Site

MOST_SHARE = 0.02  # of the memory of a process; less is no growth
LEAST_MB = 2.0  # less is no growth


class Growth:
    """Compares two measurements: `begin`, after the site has warmed up, and `end`."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._before: dict[int, tuple[str, float]] = {}
        self._after: dict[int, tuple[str, float]] = {}
        self._log = (0, 0)
        self._rows = (0, 0)

    def begin(self) -> None:
        self._before, self._log = self._memory(), (self._site.log.stat().st_size, 0)
        self._jobs = self._count()

    def end(self) -> None:
        self._after, self._log = self._memory(), (self._log[0], self._site.log.stat().st_size)

    @staticmethod
    def _count() -> int:
        from segmentation.models import Job

        return Job.objects.filter(state="done").count()

    def _memory(self) -> dict[int, tuple[str, float]]:
        memory = {}
        for name, pids in self._site.targets().items():
            for pid in pids:
                try:
                    memory[pid] = name, psutil.Process(pid).memory_info().rss / 2**20
                except psutil.Error:
                    continue
        return memory

    def table(self) -> dict[str, str]:
        """The rows of the table; {} without a first measurement."""
        if not self._before:
            return {}
        from django.conf import settings

        rows = {}
        for pid, (name, before) in self._before.items():
            after = self._after[pid][1] if pid in self._after else None
            change = "gone" if after is None else f"{before:.1f} -> {after:.1f} MB, {after / before - 1:+.1%}"
            rows[f"memory of {name} {pid}"] = change
        jobs = self._count() - self._jobs
        rows["log"] = f"{(self._log[1] - self._log[0]) / max(jobs, 1):.0f} bytes a job"
        rows["temporary folder"] = f"{len(list(Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir()))} left"
        rows["spool"] = f"{len(list((self._site.data / 'spool').rglob('*.msg')))} messages left"
        return rows

    def bad(self) -> list[str]:
        """A line for each process whose memory grew."""
        grown = []
        for pid, (name, before) in self._before.items():
            after = self._after.get(pid, (name, before))[1]
            if after - before > max(MOST_SHARE * before, LEAST_MB):
                grown.append(f"memory of {name}: {before:.1f} -> {after:.1f} MB")
        return grown
