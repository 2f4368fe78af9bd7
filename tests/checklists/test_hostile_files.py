"""What nobody should send, and what broken lines and strange phones do send: refused in words, or written anew.

Each file is looked at in a process of its own; the test measures that process. `HOSTILE=5000` runs the fuzz in full.
"""

import io
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from checklists.evidence import decoding, photos
from checklists.evidence.refusals import WORDS, Refused
from tests import proofs

MUTANTS = int(os.environ.get("HOSTILE", "160"))
# Runs the child's program once for each file that comes in, each time in a fresh fork with the child's own limits, and
# says what it took: seconds of a processor, and bytes of memory beyond what it had when it began.
MEASURING = """
import io, json, os, runpy, struct, sys, tempfile
child, site_packages = sys.argv[1:3]
sys.path.append(site_packages)
from PIL import Image, ImageOps, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin
import zipfile
decoding = runpy.run_path(child)
def told(what):
    return next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith(what))
while head := sys.stdin.buffer.read(8):
    size, named = struct.unpack(">II", head)
    body, name = sys.stdin.buffer.read(size), sys.stdin.buffer.read(named).decode()
    with tempfile.TemporaryFile() as came, tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as memory:
        came.write(body); came.seek(0)
        read, write = os.pipe()
        child_id = os.fork()
        if not child_id:
            begun = told("VmRSS")
            os.dup2(came.fileno(), 0); os.dup2(write, 1); os.close(read)
            sys.argv = ["decoding", site_packages, name]
            sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
            code = 0
            try:
                decoding["main"]()
                sys.stdout.flush()
            except BaseException as error:
                code = 1
                print(repr(error), file=sys.stderr)
            os.write(write, b"|%d" % max(0, told("VmHWM") - begun))
            os._exit(code)
        os.close(write)
        said = b""
        while piece := os.read(read, 1 << 16):
            said += piece
        os.close(read)
        _, ended, used = os.wait4(child_id, 0)
        said, _, most = said.rpartition(b"|")
        seconds = used.ru_utime + used.ru_stime
        sys.stdout.buffer.write(struct.pack(">idqI", ended, seconds, int(most or 0), len(said)) + said)
        sys.stdout.flush()
"""


def look(body: bytes, name: str = "1.jpg") -> photos.Looked:
    with tempfile.TemporaryFile() as file:
        file.write(body)
        return photos.looked_at(file, name)


def refused(body: bytes, name: str = "1.jpg") -> str:
    """The word for why."""
    with pytest.raises(Refused) as why:
        look(body, name)
    return next(word for word, words in WORDS.items() if words == why.value.message)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width: int, height: int, *, bits: int = 8, color: int = 0, body: bytes = b"") -> bytes:
    head = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def bomb(width: int, height: int) -> bytes:
    """A PNG of very many pixels in a few kilobytes."""
    squeeze, row = zlib.compressobj(9), bytes(width // 8 + 1)
    body = b"".join(squeeze.compress(row) for _ in range(height)) + squeeze.flush()
    return png_of(width, height, bits=1, body=body)


def film(form: str, frames: int) -> bytes:
    pictures = [Image.new("RGB", (16, 16), (n % 256, 0, 0)) for n in range(frames)]
    return proofs.encoded(pictures[0], form, save_all=True, append_images=pictures[1:], duration=1)


JPEG = proofs.photo(200, 100)
REFUSED: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "nothing": (lambda: b"", "1.jpg", "empty"),
    "one byte": (lambda: b"\xff", "1.jpg", "no picture"),
    "a page called a picture": (lambda: b"<html><script>alert(1)</script>", "1.jpg", "no picture"),
    "a program called a picture": (lambda: b"<?php system($_GET[0]);", "1.jpeg", "no picture"),
    "SVG called a picture": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg' onload='x'/>", "1.png", "no picture"),
    "SVG": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg' onload='x'/>", "1.svg", "unknown"),
    "SVG called a text": (lambda: b" <svg onload='x'/>", "1.txt", "unknown"),
    "a page called a text": (lambda: b"\n<!DOCTYPE html><script>", "1.txt", "unknown"),
    "PDF called a picture": (proofs.pdf, "1.jpg", "no picture"),
    "EPS": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n", "1.jpg", "no picture"),
    "PSD": (lambda: b"8BPS\0\1", "1.jpg", "no picture"),
    "WMF": (lambda: b"\xd7\xcd\xc6\x9a", "1.jpg", "no picture"),
    "GIF": (lambda: film("GIF", 3), "1.gif", "no picture"),
    "TIFF": (lambda: proofs.photo(form="TIFF"), "1.tif", "no picture"),
    "BMP": (lambda: proofs.photo(form="BMP"), "1.jpg", "no picture"),
    "HEIC of an iPhone": (lambda: b"\0\0\0\x24ftypheic\0\0\0\0mif1heic", "IMG_1.HEIC", "heic"),
    "HEIC called JPG": (lambda: b"\0\0\0\x24ftypmif1\0\0\0\0mif1heic", "IMG_1.JPG", "heic"),
    "AVIF": (lambda: b"\0\0\0\x20ftypavif", "1.avif", "heic"),
    "a JPEG cut off": (lambda: JPEG[: len(JPEG) // 2], "1.jpg", "broken"),
    "a JPEG of nothing but its beginning": (lambda: b"\xff\xd8\xff", "1.jpg", "broken"),
    "a PNG cut off": (lambda: proofs.photo(form="PNG")[:-40], "1.png", "broken"),
    "9,000 × 9,000 in 10 KB": (lambda: bomb(9000, 9000), "1.png", "pixels"),
    "a line of 1,000,000 pixels": (lambda: bomb(1_000_000, 8), "1.png", "pixels"),
    "2,000,000,000 × 2,000,000,000": (lambda: png_of(2_000_000_000, 2_000_000_000), "1.png", "pixels"),
    "no pixels at all": (lambda: png_of(0, 0), "1.png", "broken"),
    "a JPEG in passes that must be held whole": (
        lambda: proofs.encoded(Image.new("L", (5000, 4000)), progressive=True), "1.jpg", "pixels"),
    "a PDF cut off": (lambda: proofs.pdf()[:-10], "1.pdf", "cut"),
    "a secret PDF": (lambda: proofs.pdf("机密★5年".encode()), "1.pdf", "secret"),
    "a secret letter": (lambda: proofs.word("机密</w:t></w:r><w:r><w:t>★ 10年"), "1.docx", "secret"),
    "a secret table": (lambda: proofs.sheet("秘密★"), "1.xlsx", "secret"),
    "a secret text": (lambda: "绝密★ 启用前".encode("gb18030"), "1.txt", "secret"),
    "residents in a table": (lambda: proofs.sheet("511504190001010037"), "1.xlsx", "resident"),
    "a resident in a letter": (lambda: proofs.word("张某 51150419000101007X"), "1.docx", "resident"),
    "a ZIP called Word": (lambda: proofs.packed({"a.txt": "1"}), "1.docx", "archive"),
    "a ZIP": (lambda: proofs.packed({"a.txt": "1"}), "1.zip", "archive"),
    "Word with macros": (lambda: proofs.word(**{"word/vbaProject.bin": b"x"}), "1.docm", "macros"),
    "Word cut off": (lambda: proofs.word()[:-30], "1.docx", "cut"),
    "Word of 3,000 parts": (lambda: proofs.word(**{f"p{n}": b"" for n in range(3000)}), "1.docx", "heavy"),
    "old Word": (lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), "1.doc", "old office"),
    "a program": (lambda: b"MZ\x90\0" + bytes(64), "1.exe", "unknown"),
    "a program called a text": (lambda: b"MZ\x90\0" + bytes(64), "1.txt", "code"),
    "UTF-16 without its mark": (lambda: "走访ab".encode("utf-16-le"), "1.txt", "unknown"),
    "no text at all": (lambda: b"\xff\xff\xff\x81", "1.txt", "code"),
    "a text of 3 MB": (lambda: b"a" * (3 << 20), "1.txt", "long"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_refused_is(what: str) -> None:
    body, name, word = REFUSED[what]
    assert refused(body(), name) == word


GOOD: dict[str, Callable[[], bytes]] = {
    "CMYK": lambda: proofs.encoded(Image.new("CMYK", (60, 40), (0, 255, 255, 0))),
    "grey": lambda: proofs.encoded(proofs.picture(mode="L")),
    "16 bits of grey": lambda: proofs.encoded(Image.new("I;16", (60, 40), 40_000), "PNG"),
    "black and white": lambda: proofs.encoded(Image.new("1", (60, 40)), "PNG"),
    "a palette": lambda: proofs.encoded(proofs.picture().convert("P"), "PNG"),
    "a palette with a hole": lambda: proofs.encoded(proofs.picture().convert("P"), "PNG", transparency=0),
    "see-through": lambda: proofs.encoded(Image.new("RGBA", (60, 40), (0, 0, 0, 0)), "PNG"),
    "WebP": lambda: proofs.photo(form="WEBP"),
    "a film of 2,000 frames": lambda: film("WEBP", 2000),
    "a moving PNG": lambda: film("PNG", 20),
    "12 million pixels": lambda: proofs.encoded(Image.new("RGB", (4032, 3024), "red"), quality=90),
    "16 million pixels": lambda: proofs.encoded(Image.new("RGB", (4608, 3456), "red"), quality=90),
    "48 million pixels": lambda: proofs.encoded(Image.new("L", (8000, 6000), 99)),
    "a long panorama": lambda: proofs.encoded(Image.new("RGB", (12000, 1500), "red")),
    "one pixel": lambda: proofs.photo(1, 1),
    "one line": lambda: proofs.encoded(Image.new("RGB", (9000, 1))),
}


@pytest.mark.parametrize("what", GOOD)
def test_written_anew_is(what: str) -> None:
    looked = look(GOOD[what]())
    kept = Image.open(io.BytesIO(looked.photo))
    kept.load()
    assert (kept.format, kept.mode, getattr(kept, "n_frames", 1)) == ("JPEG", "RGB", 1)
    assert max(kept.size) <= decoding.LONGEST
    assert max(Image.open(io.BytesIO(looked.thumbnail)).size) <= decoding.THUMBNAIL


def test_what_is_see_through_lies_on_white() -> None:
    looked = look(GOOD["see-through"](), "1.png")
    assert Image.open(io.BytesIO(looked.photo)).getpixel((9, 9)) == (255, 255, 255)


@pytest.mark.parametrize("turned", range(1, 9))
def test_however_a_phone_was_held_the_photo_stands_upright(turned: int) -> None:
    whole = Image.open(io.BytesIO(look(proofs.photo_of_a_phone(turned)).photo))
    assert whole.size == ((480, 640) if turned > 4 else (640, 480))
    corner = whole.getpixel((20, 20))
    assert isinstance(corner, tuple)
    assert (corner[0] > corner[2]) is (turned in (1, 4, 5, 6))  # where red is, by the meaning of the tag


@pytest.mark.parametrize(
    "tail", [b"PK\x03\x04" + bytes(99), b"<html><script>alert(1)</script>", proofs.packed({"a": "b"})]
)
def test_nothing_of_what_hides_behind_or_in_a_picture_is_kept(tail: bytes) -> None:
    comment = b"\xff\xfe" + struct.pack(">H", len(tail) + 2) + tail
    looked = look(JPEG[:2] + comment + JPEG[2:] + tail)
    assert tail not in looked.photo + looked.thumbnail
    assert b"\xff\xfe" not in looked.photo[:64]
    assert looked.photo.endswith(b"\xff\xd9")


def test_a_time_that_makes_no_sense_is_no_time() -> None:
    for taken in ("0000:00:00 00:00:00", "2026-11-20", "1970:01:01 00:00:00", "9" * 19, "\0" * 19):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[proofs.EXIF_TAKEN] = taken
        assert look(proofs.photo(exif=exif)).taken_at is None


def test_a_bomb_behind_words_ends_at_the_limit() -> None:
    """90 MB of blanks in a Word file of some hundred kilobytes: only the first part of each is read."""
    body = proofs.word(**{f"word/header{n}.xml": bytes(30 << 20) for n in range(3)})
    ((seconds, memory, _),) = measured([(body, "1.docx")])
    assert seconds <= decoding.SECONDS + 0.1
    assert memory <= decoding.MEMORY


# ---- What it takes ------------------------------------------------------------------------------------------------


def measured(files: list[tuple[bytes, str]]) -> Iterator[tuple[float, int, bytes]]:
    """Seconds of a processor, bytes of memory beyond the start, and the answer; for each file."""
    command = [sys.executable, "-I", "-S", "-c", MEASURING, str(photos.CHILD), photos.SITE_PACKAGES]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for body, name in files:
            child.stdin.write(struct.pack(">II", len(body), len(name.encode())) + body + name.encode())
            child.stdin.flush()
            ended, seconds, memory, size = struct.unpack(">idqI", child.stdout.read(struct.calcsize(">idqI")))
            answer = child.stdout.read(size)
            assert ended in (0, signal.SIGXCPU), name  # done, or ended by its limit of time
            yield seconds, memory, answer if ended == 0 else b""
        child.stdin.close()


def mutants(seed: int, n: int) -> list[tuple[bytes, str]]:
    """Pictures and PDFs, each broken in a way of its own: bits turned, pieces cut out, doubled, put elsewhere."""
    chance = random.Random(seed)
    noise = Image.effect_noise((300, 200), 60)
    seeds = [
        (proofs.photo_of_a_phone(), "1.jpg"),
        (proofs.encoded(noise.convert("RGB"), progressive=True), "2.jpg"),
        (proofs.encoded(noise, "PNG"), "3.png"),
        (proofs.encoded(noise.convert("RGBA"), "WEBP"), "4.webp"),
        (film("WEBP", 5), "5.webp"),
        (proofs.encoded(proofs.picture().convert("P"), "PNG", transparency=0), "6.png"),
        (proofs.pdf(noise.tobytes()[:3000]), "7.pdf"),
        (proofs.encoded(noise.convert("CMYK")), "8.jpg"),
    ]
    made = []
    for nth in range(n):
        body, name = seeds[nth % len(seeds)]
        broken = bytearray(body)
        for _ in range(chance.choice((1, 2, 8, 40))):
            at, to = chance.randrange(len(broken)), chance.randrange(len(broken))
            long = chance.randrange(1, 60)
            match chance.randrange(5):
                case 0:
                    broken[at] ^= 1 << chance.randrange(8)
                case 1:
                    broken[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
                case 2:
                    del broken[at : at + long]
                case 3:
                    broken[to:to] = broken[at : at + long]
                case 4:
                    broken[at:at] = chance.randbytes(long)
            if len(broken) < 40:
                broken += body
        made.append((bytes(broken), name))
    return made


def test_whatever_is_broken_takes_little_and_is_refused_or_written_anew(tell: Callable[[str], None]) -> None:
    most_seconds, most_memory, ends = 0.0, 0, Counter[str]()
    for seconds, memory, answer in measured(mutants(20261129, MUTANTS)):
        most_seconds, most_memory = max(most_seconds, seconds), max(most_memory, memory)
        line, _, rest = answer.partition(b"\n")
        said = eval(line.decode().replace("null", "None")) if line else {"refused": "heavy"}  # noqa: S307 - our own
        ends[said.get("refused") or said["kind"]] += 1
        assert said.get("refused", "heavy") in WORDS
        if said.get("kind") == "photo":
            kept = Image.open(io.BytesIO(rest[: said["sizes"][0]]))
            kept.load()
            assert (kept.format, bool(kept.getexif())) == ("JPEG", False)
    assert most_seconds <= decoding.SECONDS + 0.1
    assert most_memory <= decoding.MEMORY
    assert ends["photo"]
    assert ends["broken"]
    tell(f"{MUTANTS} broken files: at most {most_seconds:.2f} s, {most_memory >> 20} MB; {dict(ends)}")


@pytest.mark.parametrize(
    "what", ["9,000 × 9,000 in 10 KB", "Word of 3,000 parts", "48 million pixels", "12 million pixels"]
)
def test_the_heaviest_take_no_more_than_they_may(what: str, tell: Callable[[str], None]) -> None:
    body, name = REFUSED[what][:2] if what in REFUSED else (GOOD[what], "1.jpg")
    ((seconds, memory, _),) = measured([(body(), name)])
    assert seconds <= decoding.SECONDS + 0.1
    assert memory <= decoding.MEMORY
    tell(f"{what}: {seconds:.2f} s, {memory >> 20} MB")


def test_without_its_limit_of_memory_the_child_would_take_more(tmp_path: Path) -> None:
    """The control run."""
    source = photos.CHILD.read_text()
    greedy = tmp_path / "greedy.py"
    greedy.write_text(
        source.replace("held + MEMORY, held + MEMORY", "1 << 40, 1 << 40").replace("12_000_000", "99_000_000")
    )
    body = proofs.encoded(Image.new("RGBA", (5000, 4000)), "PNG")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photos, "CHILD", greedy)
        ((_, memory, _),) = measured([(body, "1.png")])
    assert memory > decoding.MEMORY
    ((_, memory, answer),) = measured([(body, "1.png")])
    assert memory < decoding.MEMORY
    assert b"pixels" in answer


def test_a_child_that_runs_on_is_ended_by_its_limit_of_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = tmp_path / "endless.py"
    endless.write_text(
        photos.CHILD.read_text().replace("    head = file.read(4096)\n", "    while True:\n        pass\n")
    )
    monkeypatch.setattr(photos, "CHILD", endless)
    assert refused(JPEG) == "heavy"


def test_looking_at_files_leaves_the_web_worker_free() -> None:
    """Whoever looks waits for the child and holds no lock that others need; a second one waits for the first."""
    slow = GOOD["12 million pixels"]()
    done: list[str] = []

    def one() -> None:
        done.append(look(slow).kind)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    turns = 0
    while any(thread.is_alive() for thread in threads):
        turns += 1  # this thread goes on working
        time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert done == ["photo", "photo"]
    assert turns > 20
