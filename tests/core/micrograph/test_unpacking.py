"""ZIP archives: whatever is in them is taken or named, nothing is believed, nothing is written outside."""

from __future__ import annotations

import struct
import zipfile

import pytest

from segmentation.core.micrograph import unpacking as archives
from segmentation.core.micrograph.kinds import HEAD_BYTES, recognise
from segmentation.core.micrograph.types import UnreadableImage
from segmentation.models import shown_name
from tests.hostile import REFUSED
from tests.web.archive import counted, flagged, link, manifold, picture, zipped


@pytest.fixture
def opened(tmp_path_factory):
    """What comes out of an archive: names of images with those of their side files, and notes by name."""

    def open_it(content, entry_mb=200, archive_mb=4000, images=500):
        folder = tmp_path_factory.mktemp("archive")
        path = folder / "upload"
        path.write_bytes(content)
        done = archives.unpack(path, folder, archives.UnpackingLimits(entry_mb, archive_mb, images))
        images = []
        for (name, image_file), *sides in done.files:
            assert (folder / image_file).read_bytes()[:2] == b"II"
            images.append((shown_name(name), [shown_name(side) for side, _ in sides]))
        places = {unpacked for group in done.files for _, unpacked in group}
        assert {file.name for file in folder.iterdir()} == {"upload", *places}
        return images, done.notes

    return open_it


def test_images_in_folders_with_their_side_files(opened):
    content = zipped(
        [
            ("a/", b""),
            ("a/one.tif", picture(1)),
            ("a/one.txt", b"$CM_MAG 100"),
            ("b/one.tif", picture(2)),
            ("b/ONE-tif.HDR", b"[MAIN]"),
            ("readme.txt", b"hello"),
            ("two.txt", "[SemImageFile]".encode("utf-16")),
        ]
    )
    images, notes = opened(content)
    assert images == [("one.tif", ["one.txt"]), ("one.tif", ["ONE-tif.HDR"])]
    assert [name for name, _ in notes] == ["readme.txt", "two.txt"]
    assert "a text file; upload the micrograph itself" in notes[0][1]
    assert "wrote beside an image; upload it together with the image of the same name" in notes[1][1]


def test_what_operating_systems_add_is_counted_and_left_out(opened):
    junk = ["__MACOSX/._a.tif", ".DS_Store", "x/Thumbs.db", "x/desktop.ini", "x/._b.tif", "__MACOSX/deep/c"]
    images, notes = opened(zipped([("a.tif", picture()), *((name, b"junk") for name in junk)]))
    assert images == [("a.tif", [])]
    ((name, sentence),) = notes
    assert name == ""
    assert sentence.startswith("6 files ") and "Thumbs.db" in sentence and "…" in sentence


@pytest.mark.parametrize(
    "name", ["../../etc/cron.d/x.tif", "/etc/x.tif", "C:/Windows/x.tif", "a/../../x.tif", "..\\..\\x.tif"]
)
def test_names_that_point_outside_are_cut_to_the_last_part(opened, name):
    images, notes = opened(zipped([(name, picture())]))
    assert images == [("x.tif", [])]
    ((_, sentence),) = notes
    assert "taken as x.tif" in sentence


def test_names_in_unicode_with_and_without_the_flag(opened):
    name = "Größe Ω 試料.tif"
    assert opened(zipped([(name, picture())]))[0] == [(name, [])]
    unsaid = bytearray(zipped([(name, picture())]))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = unsaid.find(mark)
        struct.pack_into("<H", unsaid, at + offset, struct.unpack_from("<H", unsaid, at + offset)[0] & ~0x800)
    assert opened(bytes(unsaid))[0] == [(name, [])]


def test_code_page_437_where_it_is_no_utf_8(opened):
    raw = zipped([("Gr__e.tif", picture())]).replace(b"Gr__e", "Größe".encode("cp437"))
    assert opened(raw)[0] == [("Größe.tif", [])]


def test_one_name_twice_is_two_images(opened):
    with pytest.warns(UserWarning, match="Duplicate"):
        content = zipped([("a.tif", picture(1)), ("a.tif", picture(2))])
    assert [name for name, _ in opened(content)[0]] == ["a.tif", "a (2).tif"]


def test_one_entry_of_8000_names_is_one_image_and_the_rest_is_counted(opened, monkeypatch):
    """It took minutes. So many names are compared that a quadratic search would make 32 million of them."""
    tried = []
    path = archives.PurePosixPath
    monkeypatch.setattr(archives, "PurePosixPath", lambda name: (tried.append(name), path(name))[1])
    images, notes = opened(manifold(zipped([("a.tif", picture())]), 8000))
    assert images == [("a.tif", [])]
    assert notes == [("", archives.SAME_BYTES.format(count="7,999", files="files were"))]
    assert len(tried) < 100_000


def test_entries_that_overlap_are_refused_but_for_the_first(opened):
    """An archive within the stored bytes of an entry, both listed: a bomb of that kind unpacks to petabytes."""
    inner = zipped([("b.tif", picture(1))])
    whole = zipped([("a.tif", picture()), ("inner.tif", inner)], zipfile.ZIP_STORED)
    within = whole.find(inner)
    at = whole.find(b"PK\x01\x02", within + len(inner))  # the inner archive has a directory of its own
    entry = bytearray(inner[inner.find(b"PK\x01\x02") : inner.rfind(b"PK\x05\x06")])
    struct.pack_into("<L", entry, 42, within)
    directory = whole[at : whole.rfind(b"PK\x05\x06")] + entry
    content = counted(whole[:at] + directory + whole[whole.rfind(b"PK\x05\x06") :], 3, len(directory))
    images, notes = opened(content)
    assert images == [("a.tif", [])]
    assert notes[0] == ("", archives.SAME_BYTES.format(count="1", files="file was"))


def test_many_entries_of_one_name_but_other_bytes_are_named_apart(opened):
    with pytest.warns(UserWarning, match="Duplicate"):
        content = zipped([("a.tif", picture(number)) for number in (1, 2, 3, 4)])
    images, notes = opened(content, images=3)
    assert [name for name, _ in images] == ["a.tif", "a (2).tif", "a (3).tif"]
    assert [name for name, _ in notes] == ["a (4).tif"]


def test_a_file_beside_several_images_is_unpacked_once_and_a_bomb_of_text_never(opened):
    """12 images and 12 texts of one stem made 105 MB of 19 kB."""
    text, bomb = b"$CM_MAG 100\n" * 20, bytes(700_000)
    capitals = ("a.txt", "A.txt", "a.TXT", "A.TXT", "a.Txt")
    files = [*((name, text) for name in capitals), *((name, bomb) for name in ("b.hdr", "c.hdr", "a.hdr", "d.hdr"))]
    images, notes = opened(zipped([*((f"a.{number}", picture(number)) for number in range(12)), *files]))
    assert images == [(f"a.{number}", ["a.txt", "A.txt", "a.TXT"]) for number in range(12)]
    assert sorted(name for name, note in notes if note != archives.BOMB.format(times=200)) == [
        "A.TXT",
        "a.Txt",
        "b.hdr",
    ]
    assert [name for name, note in notes if note == archives.BOMB.format(times=200)] == ["c.hdr", "a.hdr", "d.hdr"]


@pytest.mark.parametrize(("second", "taken"), [(0.0, 4), (5.0, 2), (20.0, 0)])
def test_an_archive_has_a_time_limit_of_its_own(opened, monkeypatch, second, taken):
    """Ten seconds for its directory, then ten and two for each megabyte; the clock is asked once before each image."""
    times = iter(range(1000))
    monkeypatch.setattr(archives.time, "monotonic", lambda: second * next(times))
    content = zipped([(f"{number}.tif", picture(number)) for number in range(4)])
    if not taken:
        with pytest.raises(UnreadableImage, match=archives.SLOW):
            opened(content)
        return
    images, notes = opened(content)
    assert len(images) == taken
    assert notes == ([("", archives.REST.format(count="2", files="files were"))] if taken < 4 else [])


@pytest.mark.parametrize("name", ["inner.zip", "inner.7z", "x/inner.RAR", "inner.tar.gz"])
def test_an_archive_inside_is_named_and_the_rest_taken(opened, name):
    images, notes = opened(zipped([(name, zipped([("b.tif", picture())])), ("a.tif", picture())]))
    assert images == [("a.tif", [])]
    assert notes == [(name, archives.NESTED)]


def test_an_archive_inside_under_another_name(opened):
    images, notes = opened(zipped([("b.tif", zipped([("c.tif", picture())])), ("a.tif", picture())]))
    assert images == [("a.tif", [])]
    assert notes[0][0] == "b.tif" and "ZIP archive" in notes[0][1]


def changed(find, offset, value):
    """Two images, the bytes at an offset from the first `find` being others."""
    content = bytearray(zipped([("a.tif", picture()), ("b.tif", picture(1))], zipfile.ZIP_STORED))
    at = content.find(find) + offset
    content[at : at + len(value)] = value
    return bytes(content)


LEFT_OUT = {
    "a link": (lambda: zipped([(link("a.tif"), b"/etc/passwd"), ("b.tif", picture())]), archives.LINK),
    "a bomb by its ratio": (
        lambda: zipped([("a.tif", bytes(30 * 2**20)), ("b.tif", picture())]), archives.BOMB.format(times=200)
    ),
    "larger than an image may be": (
        lambda: zipped([("a.tif", picture() + bytes(2**20)), ("b.tif", picture())]),
        archives.LARGE_ENTRY.format(limit=1),
    ),
    "the directory understates its size": (
        lambda: changed(b"PK\x01\x02", 24, struct.pack("<L", 100)), archives.BROKEN
    ),
    "damaged": (lambda: changed(b"II*", 200, b"\xa5\x5a"), archives.BROKEN),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT_OUT)
def test_one_entry_is_left_out_and_the_rest_taken(opened, name):
    content, sentence = LEFT_OUT[name]
    assert opened(content(), entry_mb=1) == ([("b.tif", [])], [("a.tif", sentence)])


def test_a_password(opened):
    content = flagged(zipped([("a.tif", picture()), ("b.tif", picture(1))]), 0x1)
    assert opened(content) == ([], [("a.tif", archives.ENCRYPTED), ("b.tif", archives.ENCRYPTED)])


def test_all_together_too_much(opened):
    large = [(f"{number}.tif", picture(number) + bytes(400 * 1024)) for number in range(4)]
    images, notes = opened(zipped(large, zipfile.ZIP_STORED), archive_mb=1)
    assert [name for name, _ in images] == ["0.tif", "1.tif"]
    assert notes == [(name, archives.TOO_MUCH.format(limit=1)) for name in ("2.tif", "3.tif")]


def test_more_images_than_a_sample_may_have(opened):
    content = zipped([("notes.doc", b"words"), *((f"{number}.tif", picture(number)) for number in range(4))])
    images, notes = opened(content, images=2)
    assert [name for name, _ in images] == ["0.tif", "1.tif"]
    assert [name for name, _ in notes] == ["notes.doc", "2.tif", "3.tif"]
    assert notes[1][1] == archives.TOO_MANY.format(limit=2)


def test_every_file_that_is_no_image_is_named(opened):
    others = [case for case in REFUSED if not looks_like_an_image(case.build())]
    assert len(others) > 10
    content = zipped([*((f"{case.label}.tif", case.build()) for case in others), ("a.tif", picture())])
    images, notes = opened(content)
    assert images == [("a.tif", [])]
    assert [name for name, _ in notes] == [f"{case.label}.tif" for case in others]
    assert all(sentence.endswith(".") for _, sentence in notes)


def looks_like_an_image(content):
    try:
        return bool(recognise(content[:HEAD_BYTES]))
    except UnreadableImage:
        return False


@pytest.mark.parametrize(
    "content",
    [b"PK\x03\x04", b"PK\x03\x04" + bytes(100), zipped([("a.tif", picture())])[:-30],
     counted(zipped([("a.tif", picture())]), 1, 5000), b"PK\x05\x06" + bytes(18), b"PK\x05\x06" + bytes(10)],
    ids=["head", "zeros", "cut", "directory beyond the file", "nothing in it", "cut end"],
)  # fmt: skip
def test_an_archive_of_no_use_is_refused_in_one_sentence(opened, content):
    with pytest.raises(UnreadableImage) as refused:
        opened(content)
    assert str(refused.value) in (archives.DAMAGED, archives.EMPTY)


def test_a_crowd_is_refused(opened):
    with pytest.raises(UnreadableImage, match="lists more than 10,000"):
        opened(zipped([(f"{number}.tif", b"") for number in range(10_001)]))


@pytest.mark.parametrize("is_large", [False, True], ids=["usual", "ZIP64"])
def test_a_directory_too_large_for_the_memory_is_refused_before_it_is_read(opened, monkeypatch, is_large):
    content = zipped([("a.tif", picture())])
    end, padding = content.rfind(b"PK\x05\x06"), bytes(5 * 2**20)
    claimed = len(padding) if is_large else 0
    content = content[:end] + padding + counted(content[end:], 1, 0xFFFFFFFF if is_large else len(padding))
    if is_large:
        end += len(padding)
        record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, claimed, 0)
        content = content[:end] + record + struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1) + content[end:]
    monkeypatch.setattr(zipfile, "ZipInfo", None)
    with pytest.raises(UnreadableImage, match=r"lists more than 10,000|is damaged"):  # Python 3.13 is stricter itself
        opened(content)


def test_an_office_document_says_so(opened):
    with pytest.raises(UnreadableImage, match="Office document"):
        opened(zipped([("[Content_Types].xml", b"<x/>"), ("word/media/image1.png", picture())]))


def test_hostile_names_are_cleaned(opened):
    images, notes = opened(zipped([("a\r\nb\u202etif.txt", b"x"), ("x" * 400 + ".tif", picture())]))
    assert len(images[0][0]) <= 150
    assert notes[0][0] == "a btif.txt"
