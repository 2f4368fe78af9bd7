"""The pictures of README and guide, from the real demo on the real product: `make pictures`.

A database and a web server of its own in a temporary directory; nothing of `.data` is touched. A name as argument
takes only that picture: `make pictures ARGS=board`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from socket import create_server
from time import monotonic, sleep

from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from readiness import embedded  # noqa: E402 - found by the line above

PICTURES = HERE / "pictures"
PHONE, DESK, WALL = (390, 844), (1440, 900), (1920, 1080)
VILLAGE = "511504101203"  # 黄河村, of the log-in `village`
# Nobody is reminded here: a sign of life in place of each process, or the board would say that they are down.
ALIVE = "from readiness.health import PARTS, Pulse; [Pulse(part).beat() for part in PARTS]"
LARGEST = 300_000  # bytes: a page with all its pictures still loads in an office
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]


@dataclass(frozen=True)
class Picture:
    """Who looks at what on which screen. `go` walks on from the page that the log-in leads to."""

    name: str
    who: str
    size: tuple[int, int]
    go: Callable[[Page], object] = lambda page: None
    language: str = "zh-hans"


def open_(*places: str) -> Callable[[Page], object]:
    """Clicks the first of each selector in turn."""

    def go(page: Page) -> None:
        for place in places:
            page.locator(place).first.click()
            page.wait_for_load_state()

    return go


BOARD = ".places a[href='/campaigns/']"
TAKEN = [
    Picture("login", "", (390, 440)),
    Picture("my-tasks", "village", PHONE),
    Picture("task", "village", PHONE, open_(".task.overdue .what > a")),
    Picture("check", "town", DESK, open_(".to-check a")),
    Picture("task-check", "town", DESK, open_(".to-check a", ".task .what > a")),
    Picture("unit", "town", DESK, open_(BOARD, ".cards a", f".row-head a[href$='/{VILLAGE}/']")),
    Picture("verify", "town", PHONE, open_(".places a[href='/verify/']")),
    Picture("round", "town", PHONE, open_(".places a[href='/rounds/']", "main a[href^='/rounds/']")),
    Picture("findings", "leader", DESK, open_("main a[href*='/findings/']")),
    Picture("draw", "leader", DESK, open_("main a[href$='/draws/']", "main a[href='/draws/1/']")),
    Picture("belief", "leader", DESK, open_(".tabs a[href*='show=belief']")),
    Picture("inbox", "town", (390, 700), open_(".places a[href='/inbox/']")),
    Picture("campaigns", "leader", (1440, 260), open_(BOARD)),
    Picture("board", "leader", DESK),
    Picture("board-phone", "leader", PHONE),
    Picture("battle", "leader", DESK, open_(".tabs a[href*='show=battle']")),
    Picture("curve", "leader", DESK, open_(".tabs a[href*='show=curve']")),
    Picture("wall", "leader", WALL, open_(".tabs a[href*='/wall/']")),
    Picture("board-en", "leader", DESK, language="en"),
]


@contextmanager
def product(data: Path) -> Iterator[str]:
    """The address of the product with its demo."""
    os.environ |= {"DATA": str(data), "DEBUG": "1"}
    with embedded.servers(data, durable=False), create_server(("127.0.0.1", 0)) as listener:
        for command in (["migrate", "--verbosity=0"], ["load_catalog"], ["demo"], ["shell", "-c", ALIVE]):
            subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, check=True)
        port = listener.getsockname()[1]
        gunicorn = [sys.executable, "-m", "gunicorn", "readiness.wsgi:application", "--log-level", "warning"]
        gunicorn += ["--worker-class", "gthread", "--threads", "4", "--no-control-socket"]
        gunicorn += ["--bind", f"fd://{listener.fileno()}"]
        web = subprocess.Popen(gunicorn, cwd=ROOT, pass_fds=[listener.fileno()])
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            web.terminate()
            web.wait()


def _wait_for(port: int) -> None:
    deadline = monotonic() + 30
    while True:
        with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            try:
                connection.request("GET", "/login/")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                if monotonic() > deadline:
                    raise
        sleep(0.1)


def take(picture: Picture, browser: Browser, url: str) -> None:
    """One picture, of the first screen.

    Raises:
        SystemExit: if it is too large for a README.
    """
    width, height = picture.size
    context = browser.new_context(base_url=url, viewport={"width": width, "height": height}, reduced_motion="reduce")
    context.add_cookies([{"name": "django_language", "value": picture.language, "url": url}])
    page = context.new_page()
    page.goto("/login/")
    if picture.who:
        page.fill("[name=username]", picture.who)
        page.fill("[name=password]", "readiness-demo")
        page.click("main [type=submit]")
        page.wait_for_url(lambda there: "/login/" not in there)
    picture.go(page)
    page.evaluate("document.activeElement.blur()")
    page.mouse.move(width - 1, height // 2)
    file = PICTURES / f"{picture.name}.png"
    page.screenshot(path=file)
    context.close()
    print(f"{file.relative_to(ROOT)}  {file.stat().st_size // 1000} kB")
    if file.stat().st_size > LARGEST:
        sys.exit(f"{file.name} is larger than {LARGEST // 1000} kB")


def main(names: list[str]) -> None:
    """Takes the pictures named, or all."""
    if unknown := set(names) - {picture.name for picture in TAKEN}:
        sys.exit(f"no such picture: {' '.join(sorted(unknown))}; there are {' '.join(p.name for p in TAKEN)}")
    PICTURES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as data,
        product(Path(data)) as url,
        sync_playwright() as playwright,
    ):
        program = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=program, args=ARGS)
        for picture in TAKEN:
            if not names or picture.name in names:
                take(picture, browser, url)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
