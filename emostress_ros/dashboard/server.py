"""Serves the page and, as server-sent events, what it shows (WHATWG HTML, section 9.2).

No library and no network beyond this machine: the page loads nothing from anywhere else.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any

from emostress_ros.dashboard.board import Board
from emostress_ros.errors import GraphError

_PERIOD_S = 0.2
_BEAT_S = 2.0  # sent even when nothing changes, so that the page sees that the server lives
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; " + (
    "connect-src 'self'; img-src data:"
)


class DashboardServer:
    """An HTTP server in threads of its own.

    Args:
        board: what is shown.
        host: address to listen on; anything but the local one lets others look.
        port: to listen on; 0 takes a free one.
        clock: seconds, the same that the board is fed with.

    Attributes:
        url: where the page is.

    Raises:
        GraphError: the port is taken or not allowed.
    """

    def __init__(
        self,
        board: Board,
        host: str = "127.0.0.1",
        port: int = 8765,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._closing = threading.Event()
        page = resources.files("emostress_ros.dashboard").joinpath("page.html").read_bytes()
        handler = _handler(board, page, clock, self._closing)
        try:
            self._server = ThreadingHTTPServer((host, port), handler)
        except (OSError, OverflowError) as error:
            raise GraphError(f"the page cannot be served at {host}:{port}: {error}") from error
        self._server.daemon_threads = True
        self.url = f"http://{host}:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


def _handler(
    board: Board, page: bytes, clock: Callable[[], float], closing: threading.Event
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version = "emostress"
        sys_version = ""

        def do_GET(self) -> None:
            if self.path == "/":
                self._send(page, "text/html; charset=utf-8")
            elif self.path == "/state":
                self._send(_encoded(board, clock), "application/json")
            elif self.path == "/events":
                self._stream()
            else:
                self.send_error(HTTPStatus.NOT_FOUND)

        def _send(self, body: bytes, kind: str) -> None:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", _POLICY)
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def _stream(self) -> None:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            shown, sent_s = -1, clock()
            while not closing.wait(_PERIOD_S):
                if board.version == shown and clock() - sent_s < _BEAT_S:
                    continue
                shown, sent_s = board.version, clock()
                try:
                    self.wfile.write(b"data: " + _encoded(board, clock) + b"\n\n")
                    self.wfile.flush()
                except (BrokenPipeError, ConnectionResetError):
                    return  # the reader has closed the page

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: every page that is open asks all the time."""

    return Handler


def _encoded(board: Board, clock: Callable[[], float]) -> bytes:
    return json.dumps(board.snapshot(clock()), allow_nan=False).encode()
