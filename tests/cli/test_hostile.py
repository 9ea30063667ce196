"""Every hostile file through the whole job: refused with one line, or done; the shell goes on after each."""

import json

import pytest

from tests.hostile import READABLE, REFUSED
from tests.shell import manage

# Cases that are hostile by their name alone are one and the same file here: `write` gives each a harmless name.
FILES = {case.build(): case for case in READABLE}.values()


@pytest.mark.slow
def test_all_hostile_files_in_one_call(tmp_path, one_core):
    bad = [case.write(tmp_path) for case in REFUSED]
    good = [case.write(tmp_path) for case in FILES]
    mixed = [path for pair in zip(bad, good, strict=False) for path in pair] + bad[len(good) :]
    done = manage("analyse", *mixed, "--out", tmp_path / "out", "--filter")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert [line.split(":")[0] for line in lines] == [str(path) for path in mixed if path in bad]
    assert all(line.rstrip().endswith((".", ")")) and len(line) < 600 for line in lines)
    for path in good:
        result = json.loads((tmp_path / "out" / path.stem / "result.json").read_text())
        assert result["statistics"]["n_kept"] >= 0
    assert len(list((tmp_path / "out").iterdir())) == len(good)
