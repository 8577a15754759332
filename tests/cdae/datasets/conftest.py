"""A server on 127.0.0.1, in place of all others."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest


@pytest.fixture
def server(monkeypatch, tmp_path):
    """Yields an empty folder and the URL under which its files are served."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *args: None)
    found = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=found.serve_forever, args=(0.01,))  # seconds between looks at shutdown
    thread.start()
    yield folder, f"http://127.0.0.1:{found.server_port}/"
    found.shutdown()
    thread.join()
    found.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
