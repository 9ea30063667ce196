"""The fonts of figures and reports, for matplotlib and reportlab.

They are DejaVu Sans, which comes with matplotlib, and Noto Sans CJK for the characters that DejaVu
Sans lacks.
"""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, lru_cache
from html import escape
from itertools import groupby

import matplotlib
import noto_cjk_sans_jp_regular
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont as FontFile
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.ft2font import FT2Font
from matplotlib.textpath import TextToPath
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

REGULAR, BOLD = "DejaVuSans", "DejaVuSans-Bold"
CJK = str(noto_cjk_sans_jp_regular.FONT_PATH)
FAMILIES = ["DejaVu Sans", "Noto Sans CJK JP"]
BLOCK = 16  # characters of Noto Sans CJK that become one font for reportlab (`_block_font_name`)
MOST_WIDTHS, MOST_PARAGRAPHS = 20_000, 4096  # in the caches of `_MeasuredFont` and `paragraph_markup`
RIGHT_TO_LEFT = ("R", "AL")  # Unicode's bidirectional classes of Hebrew and Arabic letters

# matplotlib writes in both fonts. The last entry of its list is the font just added, which is also used as bold.
fontManager.addfont(CJK)
fontManager.ttflist.append(replace(fontManager.ttflist[-1], weight=700))  # the package has no bold font
matplotlib.rcParams["font.family"] = FAMILIES


class _MeasuredFont(TTFont):  # type: ignore[misc]
    """A font with a cache of text widths: reportlab measures the same words again for each line
    that it breaks."""

    def __init__(self, name: str, file: str) -> None:
        super().__init__(name, file)
        self._width_of = lru_cache(maxsize=MOST_WIDTHS)(super().stringWidth)

    def stringWidth(self, text: str, size: float, encoding: str = "utf8") -> float:  # noqa: N802
        """The width of a text in points."""
        return float(self._width_of(text, size, encoding))


@cache
def register_fonts() -> None:
    """Register DejaVu Sans with reportlab, which embeds only the letters that a file uses."""
    for name, weight in ((REGULAR, "normal"), (BOLD, "bold")):
        file = findfont(FontProperties(family=FAMILIES[:1], weight=weight))
        pdfmetrics.registerFont(_MeasuredFont(name, file))
    pdfmetrics.registerFontFamily(REGULAR, normal=REGULAR, bold=BOLD, italic=REGULAR, boldItalic=BOLD)


@cache
def _dejavu() -> FT2Font:
    return get_font(findfont(FontProperties(family=FAMILIES[:1])))


def drawable_text(words: str) -> str:
    """The words with a box in place of each character that both fonts lack, and a blank in place of
    a control character."""
    printable = (c if c.isprintable() else " " for c in words)
    fonts = (_dejavu(), get_font(CJK))
    return "".join(c if any(font.get_char_index(ord(c)) for font in fonts) else "□" for c in printable)


def with_unbroken_units(text: str) -> str:
    """The text with non-breaking spaces after "±" and between a number and its unit."""
    return re.sub(r"(?<=±) (?=\d)|(?<=\d) (?=(%|nm|µm|px)(?!\w))", "\N{NO-BREAK SPACE}", text)


def font_runs(words: str, font: str = REGULAR) -> list[tuple[str, str]]:
    """The words in parts that reportlab can draw, from left to right: (name of a font, letters that
    this font has).

    words: as `drawable_text` gives them. Arabic letters are replaced by their joined forms.
    """
    register_fonts()
    if any(unicodedata.bidirectional(c) in RIGHT_TO_LEFT for c in words):
        words = "".join(_in_drawing_order(words))
    parts = groupby(words, lambda c: font if _dejavu().get_char_index(ord(c)) else _block_font_name(ord(c) // BLOCK))
    return [(name, "".join(letters)) for name, letters in parts]


def _in_drawing_order(words: str) -> Iterator[str]:
    """The characters in the order of drawing, from left to right; Arabic letters in their joined
    forms.

    matplotlib names each glyph by its font and its index there, such as "DejaVuSans-2c5".
    """
    glyphs, _, _ = TextToPath().get_glyphs_with_font(get_font([_dejavu().fname, CJK]), words)
    forms: dict[int, str] = {index: chr(code) for code, index in _dejavu().get_charmap().items()}
    others: dict[int, str] = {get_font(CJK).get_char_index(ord(c)): c for c in words}
    for name, *_ in glyphs:
        font, _, index = name.rpartition("-")
        yield (forms if font == _dejavu().postscript_name else others)[int(index, 16)]


@lru_cache(maxsize=MOST_PARAGRAPHS)
def paragraph_markup(words: str, font: str) -> str:
    """The words as markup for a paragraph of reportlab. font: its name; letters that it lacks are
    in another font.

    Characters such as "<" in the words are escaped.
    """
    parts = font_runs(drawable_text(words), font)
    return "".join(
        escape(part) if name == font else f'<font name="{name}">{escape(part)}</font>' for name, part in parts
    )


@cache
def _cjk_font() -> FontFile:
    return FontFile(CJK, lazy=True)


@cache
def _block_font_name(number: int) -> str:
    """Register a font for reportlab with BLOCK characters of Noto Sans CJK, and return its name.

    number: of the block; its first character is BLOCK * number. reportlab cannot read the cubic
    curves of Noto Sans CJK, so the characters are converted to a TrueType font.
    """
    source, name = _cjk_font(), f"NotoSansCJK-{number:X}"
    cmap, glyph_set = source.getBestCmap(), source.getGlyphSet()
    codes = {code: cmap[code] for code in range(number * BLOCK, (number + 1) * BLOCK) if code in cmap}
    glyphs = {}
    for glyph_name in (".notdef", *codes.values()):
        pen = TTGlyphPen(None)
        glyph_set[glyph_name].draw(Cu2QuPen(pen, 1.0, reverse_direction=True))
        glyphs[glyph_name] = pen.glyph()
    builder = FontBuilder(source["head"].unitsPerEm, isTTF=True)
    builder.setupGlyphOrder(list(glyphs))
    builder.setupCharacterMap(codes)
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics({glyph: (glyph_set[glyph].width, 0) for glyph in glyphs})
    builder.setupHorizontalHeader(ascent=source["hhea"].ascent, descent=source["hhea"].descent)
    builder.setupNameTable({"familyName": name, "styleName": "Regular", "psName": name})
    builder.setupOS2()
    builder.setupPost()
    builder.updateHead(created=0, modified=0)
    builder.font.recalcTimestamp = False
    file = io.BytesIO()
    builder.save(file)
    file.seek(0)
    pdfmetrics.registerFont(TTFont(name, file))
    return name
