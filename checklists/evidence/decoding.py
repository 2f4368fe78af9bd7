"""The child that looks into a file that somebody sent. A program of its own: it knows nothing of ours, nor of Django.

    python -I -S decoding.py SITE-PACKAGES NAME < file > answer

What it is told by the first bytes, never by the name alone. It may use one second of a processor and 100 MB more
memory than it begins with; a file that needs more is refused, by itself or by its death. The answer is one line of
JSON, {"kind", "taken", "sizes"} or {"refused"}; after a photo's line follow the photo and its thumbnail, written anew.
"""

import io
import json
import os
import re
import resource
import sys
from typing import IO, Any

SECONDS = 1  # of a processor
MEMORY = 100 << 20  # bytes beyond what Python and Pillow take
# More than this is not even tried: it would not fit into MEMORY. A JPEG that comes line by line is read at a half, a
# quarter or an eighth; one that comes in passes is held whole before.
PIXELS = {"jpeg": 64_000_000, "passes": 16_000_000, "png": 12_000_000, "webp": 5_000_000}
LONGEST = 2048  # pixels of a photo's long edge, as kept: a page of A4 can be read
AT_ONCE = 12_500_000  # pixels of a JPEG that are held; of more every second, fourth or eighth line is read
THUMBNAIL = 320
TEXT = 2 << 20  # bytes of a text file
PART = 4 << 20  # bytes of one part of a Word or Excel file that are read
PARTS = 2000  # files in a Word or Excel file

PICTURES = re.compile(r"\.(jpe?g|png|webp|gif|bmp|hei[cf]|avif|tiff?)$", re.IGNORECASE)
# A marking as the secrecy rules have it: 绝密, 机密 or 秘密, then the star, then for how long.
MARK = re.compile(r"(?:绝\s*密|机\s*密|秘\s*密)\s*[★☆]")
# An identity number: the same as in villages/residents.py.
IDENTITY = re.compile(
    r"(?<!\d)(?=((?:\d_){6}(?:[1１]_[9９]|[2２]_[0０])_(?:\d_){2}[01０１]_\d_[0-3０-３]_(?:\d_){4}[\dXxＸｘ])"
    r"(?![\dA-Za-z]))".replace("_", r"[ \u3000\xa0·-]{0,3}")
)
MARKUP = ("<svg", "<?xml", "<!doctype", "<html", "<?php", "<script", "%!ps")
TAG = re.compile(rb"<[^>]*>")
READ = re.compile(r"(word/(document|header\d*|footer\d*)|xl/(sharedStrings|worksheets/sheet\d+))\.xml")


class Refused(Exception):
    """Why not, in a word that checklists/evidence/kinds.py explains."""


def look(file: IO[bytes], site_packages: str, name: str) -> tuple[dict[str, Any], list[bytes]]:
    """What the file is, and what to keep of it in its place, if anything.

    Raises:
        Refused: it is nothing that is taken.
    """
    head = file.read(4096)
    file.seek(0)
    if not head:
        raise Refused("empty")
    if picture := _picture(head):
        return _written_anew(file, picture, site_packages)
    if PICTURES.search(name):
        raise Refused("no picture")
    if head.startswith(b"%PDF-"):
        return {"kind": _pdf(file)}, []
    if head.startswith(b"PK\x03\x04"):
        return {"kind": _office(file)}, []
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        raise Refused("old office")
    if not name.lower().endswith((".txt", ".csv", ".md")):
        raise Refused("unknown")
    return {"kind": _text(file)}, []


def _picture(head: bytes) -> str:
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"mif1", b"msf1", b"avif"):
        raise Refused("heic")
    return ""


def _written_anew(file: IO[bytes], kind: str, site_packages: str) -> tuple[dict[str, Any], list[bytes]]:
    """The first frame, upright, on white, no longer than LONGEST, with nothing but its pixels; and a thumbnail."""
    sys.path.append(site_packages)
    from PIL import Image, ImageOps

    opened: Any
    if kind == "jpeg":
        from PIL.JpegImagePlugin import JpegImageFile as opened
    elif kind == "png":
        from PIL.PngImagePlugin import PngImageFile as opened
    else:
        from PIL.WebPImagePlugin import WebPImageFile as opened
    from PIL import JpegImagePlugin, TiffImagePlugin  # noqa: F401 - writes; reads EXIF

    _limit()
    try:
        image = opened(file)
        width, height = image.size
        if width * height > PIXELS["passes" if image.info.get("progressive") else kind] or max(width, height) > 30_000:
            raise Refused("pixels")
        part = 1
        while part < 8 and (width * height > AT_ONCE * part**2 or max(width, height) >= LONGEST * part * 2):
            part *= 2
        image.draft(None, (max(1, width // part), max(1, height // part)))
        taken, turned = _exif(image)
        image.load()
        if image.mode.startswith("I"):  # 16 bits of grey
            image = image.point(lambda value: value / 256).convert("L")
        if image.mode == "P":
            image = image.convert("RGBA" if "transparency" in image.info else "RGB")
        image.thumbnail((LONGEST, LONGEST), reducing_gap=2)
        if image.mode in ("PA", "LA", "RGBA", "La", "RGBa") or "transparency" in image.info:
            image = image.convert("RGBA")
            white = Image.new("RGB", image.size, "white")
            white.paste(image, mask=image.getchannel("A"))
            image = white
        image = image.convert("RGB")
        if turned in range(2, 9):
            image.getexif()[0x0112] = turned
            image = ImageOps.exif_transpose(image)
        photo = _jpeg(image, quality=85)
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        return {"kind": "photo", "taken": taken}, [photo, _jpeg(image, quality=75)]
    except MemoryError:
        raise Refused("heavy") from None
    except Image.DecompressionBombError:
        raise Refused("pixels") from None
    except Refused:
        raise
    except Exception:
        raise Refused("broken") from None


def _jpeg(image: Any, *, quality: int) -> bytes:
    image.info.clear()
    written = io.BytesIO()
    image.save(written, "JPEG", quality=quality, exif=b"", icc_profile=None)
    return written.getvalue()


def _exif(image: Any) -> tuple[str, int]:
    """When it was taken, as the camera wrote it with its offset from UTC if it knew that, and how it lies."""
    try:
        exif = image.getexif()
        inner = exif.get_ifd(0x8769)
        taken = str(inner.get(0x9003) or exif.get(0x0132) or "")[:19]
        offset = str(inner.get(0x9011) or "")[:6]
        turned = exif.get(0x0112, 1)
    except Exception:
        return "", 1
    return taken + offset, turned if isinstance(turned, int) else 1


def _pdf(file: IO[bytes]) -> str:
    """Kept as it came, if its end came as well."""
    _limit()
    body = file.read()
    if b"%%EOF" not in body[-2048:]:
        raise Refused("cut")
    if any(mark.encode(code) in body for code in ("utf-8", "utf-16-be") for mark in ("绝密★", "机密★", "秘密★")):
        raise Refused("secret")
    return "pdf"


def _office(file: IO[bytes]) -> str:
    """Word or Excel by the parts in it; programs and locks are refused, markings looked for."""
    import zipfile

    _limit()
    try:
        with zipfile.ZipFile(file) as parts:
            names = parts.namelist()
            if len(names) > PARTS:
                raise Refused("heavy")
            if any(name.lower().endswith(("vbaproject.bin", ".exe", ".js", ".vbs")) for name in names):
                raise Refused("macros")
            found = {"word/document.xml": "word", "xl/workbook.xml": "sheet"}
            kind = next((kind for name, kind in found.items() if name in names), "")
            if "[Content_Types].xml" not in names or not kind:
                raise Refused("archive")
            for name in [name for name in names if READ.fullmatch(name)][:20]:
                with parts.open(name) as part:
                    _look_at_words(TAG.sub(b"\n", part.read(PART)).decode("utf-8", "replace"))
            return kind
    except MemoryError:
        raise Refused("heavy") from None
    except (
        OSError,
        ValueError,
        EOFError,
        KeyError,
        RuntimeError,
        NotImplementedError,
        zipfile.BadZipFile,
        OverflowError,
    ):
        raise Refused("cut") from None
    except zipfile.zlib.error:  # type: ignore[attr-defined]
        raise Refused("cut") from None


def _text(file: IO[bytes]) -> str:
    """Words in UTF-8, GB18030 or, with a mark at their beginning, UTF-16."""
    body = file.read(TEXT + 1)
    if len(body) > TEXT:
        raise Refused("long")
    _limit()
    codes = ["utf-16"] if body[:2] in (b"\xff\xfe", b"\xfe\xff") else ["utf-8-sig", "gb18030"]
    for code in codes:
        try:
            words = body.decode(code)
        except UnicodeDecodeError:
            continue
        if re.search(r"[\x00-\x08\x0e-\x1f]", words):
            raise Refused("unknown")
        if words.lstrip().lower().startswith(MARKUP):
            raise Refused("unknown")
        _look_at_words(words)
        return "text"
    raise Refused("code")


def _look_at_words(words: str) -> None:
    """Neither a secret nor a resident's identity number, as far as words show it. Twin: villages/residents.py."""
    if MARK.search(words):
        raise Refused("secret")
    for match in IDENTITY.finditer(words):
        digits = [10 if one in "XxＸｘ" else int(one) for one in match[1] if one.isdecimal() or one in "XxＸｘ"]
        month, day = digits[10] * 10 + digits[11], digits[12] * 10 + digits[13]
        if 1 <= month <= 12 and 1 <= day <= 31 and sum(n << 17 - i for i, n in enumerate(digits)) % 11 == 1:
            raise Refused("resident")


def _limit() -> None:
    """From now on no more memory than MEMORY beyond what is held already."""
    try:
        with open("/proc/self/statm") as told:  # noqa: PTH123 - importing pathlib takes longer than all of this
            held = int(told.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        held = 400 << 20
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))


def main() -> None:
    """Looks at what comes in and answers."""
    os.nice(10)  # pages first
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    answer: dict[str, Any]
    bodies: list[bytes] = []
    try:
        answer, bodies = look(sys.stdin.buffer, sys.argv[1], sys.argv[2])
    except Refused as refused:
        answer = {"refused": str(refused)}
    except MemoryError:
        answer = {"refused": "heavy"}
    out = sys.stdout.buffer
    out.write(json.dumps(answer | {"sizes": [len(body) for body in bodies]}).encode() + b"\n")
    for body in bodies:
        out.write(body)


if __name__ == "__main__":
    main()
