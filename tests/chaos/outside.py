"""What lies outside of the house and remembers all that reached it: here a mail server."""

import socketserver
import threading
import time
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Received:
    """Who got something, and how often; kept outside of the system that is tested."""

    by: Counter[str] = field(default_factory=Counter)
    bodies: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, who: str, body: str) -> None:
        with self.lock:
            self.by[who] += 1
            self.bodies.append(body)

    def doubled(self) -> dict[str, int]:
        with self.lock:
            return {who: times for who, times in self.by.items() if times > 1}

    def __len__(self) -> int:
        """How much came, repeats included."""
        return len(self.bodies)


class PostOffice(socketserver.ThreadingTCPServer):
    """A mail server that is slow to say that it has taken a letter: time enough to kill who waits for it."""

    allow_reuse_address = daemon_threads = True
    request_queue_size = 64

    def __init__(self, *, slow: float) -> None:
        super().__init__(("127.0.0.1", 0), Clerk)
        self.slow = slow
        self.received = Received()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def env(self) -> dict[str, str]:
        """By which a process of the product finds it."""
        return {
            "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": str(self.server_address[1]),
        }

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class Clerk(socketserver.StreamRequestHandler):
    """One conversation."""

    server: PostOffice

    def say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self) -> None:
        try:
            self.converse()
        except OSError:
            pass  # whoever was talking is dead

    def converse(self) -> None:
        to = ""
        self.say("220 post office")
        while line := self.rfile.readline().decode().strip():
            match line[:4].upper():
                case "RCPT":
                    to = line.partition("<")[2].partition("@")[0]
                    self.say("250 ok")
                case "DATA":
                    self.say("354 go on")
                    letter = b""
                    while not letter.endswith(b"\r\n.\r\n"):
                        if not (more := self.rfile.readline()):
                            return  # cut off: no letter
                        letter += more
                    self.server.received.note(to, letter.decode())
                    time.sleep(self.server.slow)
                    self.say("250 taken")
                case "QUIT":
                    self.say("221 bye")
                    return
                case _:
                    self.say("250 ok")
