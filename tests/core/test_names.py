"""Names and short texts that people send."""

from __future__ import annotations

import pytest

from segmentation.core.names import UNNAMED, clean_text, file_name, harmless_suffix, portable_name


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\u00a0b\u202f\u2003c", "a b c"),
        ("a\r\n\tb\u2028c\x0bd", "a b c d"),
        ("a\u200bb\u202ec\xadd\x00e\ufefff", "abcdef"),
        ("a\ud800b\ue000c", "abc"),
        ("Gro\u0308ße Ω 試料", "Größe Ω 試料"),
        ("\u200b \x00", ""),
    ],
)
def test_what_cannot_be_seen_goes_and_spaces_are_plain(text, seen):
    assert clean_text(text) == seen == clean_text(clean_text(text))
    assert not seen or (seen.isprintable() and file_name(f"{text}.tif") == f"{seen}.tif")


def test_a_length_is_kept_and_ends_in_no_space():
    assert clean_text("  a  b ") == "a b"
    assert clean_text("abc def", 4) == "abc" and clean_text("abc def", 5) == "abc d"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("a.tif", "a.tif"),
        ("../../etc/passwd", "passwd"),
        ("C:\\data\\a b.tif", "a b.tif"),
        ("=SUM(A1).tif", "=SUM(A1).tif"),
        *((empty, UNNAMED) for empty in ("", "..", "   ", "folder/", "/", "\u200b.")),
    ],
)
def test_a_file_has_a_name_of_its_own(given, name):
    assert file_name(given) == name


@pytest.mark.parametrize("longest", [120, 150])
def test_long_names_keep_their_suffix(longest):
    short = file_name("n" * 400 + ".tiff", longest)
    assert len(short) == longest and short.endswith("n….tiff")
    assert len(file_name("n." + "x" * 400, longest)) == longest
    exact = "n" * (longest - 4) + ".tif"
    assert file_name(exact, longest) == exact


def test_an_empty_name_may_be_called_otherwise():
    assert file_name("", unnamed="unnamed") == "unnamed"


@pytest.mark.parametrize(
    ("name", "made"), [('a<b>:"c', "a_b_c"), ("a/b\\c|d?e*f%g", "a_b_c_d_e_f_g"), (" ._", UNNAMED), ("x" * 9, "xxxx")]
)
def test_every_file_system_takes_a_portable_name(name, made):
    assert portable_name(name, 4 if name.startswith("x") else None) == made


@pytest.mark.parametrize(("name", "suffix"), [("a.TIF", ".tif"), ("x/../b.png", ".png"), ("a.ti f", ""), ("é", "")])
def test_a_harmless_suffix(name, suffix):
    assert harmless_suffix(name) == suffix
