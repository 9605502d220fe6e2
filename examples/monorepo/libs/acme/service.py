"""A JSON service in a few lines: a function from (method, path, body) to (status, answer)."""

import json
import os
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Handler = Callable[[str, str, Any], tuple[int, Any]]


def serve(handle: Handler) -> None:
    """Serves on $PORT until stopped; `/healthz` answers by itself."""

    class Requests(BaseHTTPRequestHandler):
        def answer(self) -> None:
            status, body = _answer(handle, self.command, self.path, self._body())
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = answer

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    port = int(os.environ.get("PORT", "8080"))
    print(f"listening on {port}")
    ThreadingHTTPServer(("", port), Requests).serve_forever()


def _answer(handle: Handler, method: str, path: str, body: bytes) -> tuple[int, Any]:
    if path == "/healthz":
        return 200, {"status": "ok"}
    try:
        return handle(method, path, json.loads(body) if body else None)
    except (KeyError, TypeError, ValueError) as error:
        return 400, {"error": str(error)}
