"""Everything on one machine: databases, demo, web, worker, sender and beat; Ctrl-C takes all of it away again."""

import http.client
import os
import signal
import sys
import time
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from readiness import embedded
from readiness.processes import Manager, Program, die_with_parent, handled_stops
from villages.models import Unit

# A part that has given no sign of life yet keeps /healthz from being well; the pages can be used before.
HEALTHY_SECONDS = 30
ANSWER_SECONDS = 60
LOOK_SECONDS = 0.5


class Command(BaseCommand):
    """`make run`."""

    help = "Start web, worker, sender and beat, with their databases unless DATABASE_URL and REDIS_URL name some."
    requires_system_checks: list[str] = []  # the tables may not be there yet

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=os.environ.get("HOST") or "127.0.0.1")
        parser.add_argument("--port", default=os.environ.get("PORT") or "8000")
        parser.add_argument("--no-demo", action="store_true", help="leave an empty database empty")
        parser.add_argument("--leash", action="store_true", help="stop when the calling process ends")

    def handle(self, *args: Any, **options: Any) -> None:
        self._stops_of_caller: set[int] = set()
        if options["leash"]:
            die_with_parent(signal.SIGTERM)
            self._stops_of_caller = handled_stops(os.getppid())
        host, port = str(options["host"]), str(options["port"])
        data = embedded.data_dir()
        data.mkdir(parents=True, exist_ok=True)
        lock = embedded.Lock(data / "run.lock")
        try:
            trouble = "" if lock.take() else embedded.run_trouble(data)
            if trouble := trouble or embedded.port_trouble(host, port):
                raise CommandError(trouble)
            # Here and for the children, wherever we were called from.
            os.environ["DATA"] = str(data)
            os.chdir(settings.BASE_DIR)
            self._url = f"http://{self._reachable(host)}:{port}/"
            os.environ.setdefault("SITE_URL", self._url.rstrip("/"))
            self._prepare(demo=not options["no_demo"])
            self._run(host, port)
        finally:
            lock.release()

    def _prepare(self, *, demo: bool) -> None:
        """Tables, templates and, in an empty database, the demo."""
        self._say("建立数据表 · Preparing the database …")
        call_command("migrate", verbosity=0, interactive=False)
        call_command("load_catalog")
        if demo and settings.DEBUG and not Unit.objects.exists():
            self._say("生成演示数据 · Creating the demo …")
            call_command("demo")
        if not settings.DEBUG:  # under DEBUG they are served from where they are
            call_command("collectstatic", verbosity=0, interactive=False)

    def _run(self, host: str, port: str) -> None:
        # A container has root only; Celery's page-long warning about it would hide what matters.
        quiet = ["-W", "ignore:You're running the worker"]
        celery = [sys.executable, *quiet, "-m", "celery", "--quiet", "-A", "readiness"]
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        web = ["gunicorn", "readiness.wsgi:application", "--bind", address]
        web += ["--worker-class", "gthread", "--workers", "2", "--threads", "4", "--graceful-timeout", "5"]
        web += ["--log-level", "warning", "--no-control-socket"]  # a socket file that nobody asks
        worker = ["worker", "--concurrency=2", "--without-gossip", "--without-mingle", "--loglevel=WARNING"]
        beat = ["beat", f"--schedule={embedded.data_dir() / 'beat-schedule'}", "--pidfile="]
        programs = [
            Program("web", [sys.executable, "-m", *web]),
            Program("worker", [*celery, *worker, "--queues=planning,reports", "--hostname=worker@%h"]),
            Program("sender", [*celery, *worker, "--queues=sending", "--hostname=sender@%h"]),
            Program("beat", [*celery, *beat, "--loglevel=WARNING"]),
        ]
        self._started = time.monotonic()
        self._is_ready = False
        self._look_at = 0.0
        self._manager = Manager(programs, self._say, self._tick)
        self._manager.run()
        self._say("已停止 · Stopped")

    def _tick(self) -> None:
        if self._stops_of_caller - handled_stops(os.getppid()):
            self._manager.stop()
            return
        servers = embedded.current()
        if servers and servers.revive():
            self._say("数据库已重新启动 · PostgreSQL and Redis were gone; started again")
        if not self._is_ready and time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_SECONDS
            self._look_for_ready()

    def _look_for_ready(self) -> None:
        status = self._health()
        waited = time.monotonic() - self._started
        if status and (status < 500 or waited > HEALTHY_SECONDS):
            self._is_ready = True
            self._say("")
            if status >= 500:
                self._say(f"部分组件未就绪 · Not all parts are well yet: {self._url}healthz")
            self._say(f"Ready: {self._url}")
            self._say("演示账号 · Demo log-ins: admin leader town liaison village")
            self._say("密码 · password: readiness-demo    （Ctrl-C 停止 · stops）")
        elif waited > ANSWER_SECONDS:
            raise CommandError(f"网页未能启动 · The web did not answer within {ANSWER_SECONDS} s; see above")

    def _health(self) -> int:
        """What GET /healthz answers; 0 for nothing."""
        connection = http.client.HTTPConnection(self._url.split("/")[2], timeout=2)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    @staticmethod
    def _reachable(host: str) -> str:
        """The address to open in a browser on this machine."""
        if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared, not bound
            return "127.0.0.1"
        return f"[{host}]" if ":" in host else host

    def _say(self, line: str) -> None:
        try:
            self.stdout.write(line)
            self.stdout.flush()
        except OSError:
            pass  # the terminal is gone; the signal that says so is on its way
