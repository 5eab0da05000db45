"""An origin on http.server: GET, HEAD, POST, PUT of /FRAMING/SIZE.

Usage: origin.py DIRECTORY, where the file SIZE is the body. Prints its port. An upload whose
SHA-256 is not the one named in the query is answered with 422.
"""

import hashlib
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

PIECE = 30_000
bodies = {path.name: path.read_bytes() for path in Path(sys.argv[1]).iterdir() if path.is_file()}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one segment where they fit: no delayed acknowledgement in between.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self):
        self.answer()

    do_HEAD = do_POST = do_PUT = do_GET

    def answer(self):
        url = urlsplit(self.path)
        _, framing, size = url.path.split("/")
        expected = parse_qs(url.query).get("sha256")
        received = hashlib.sha256(self.body()).hexdigest()
        self.send_response(200 if expected is None or expected == [received] else 422)
        self.send_header("X-Target", self.path)
        self.send_header("Content-Type", "application/octet-stream")
        body = bodies[size]
        if framing == "length":
            self.send_header("Content-Length", str(len(body)))
        elif framing == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        if framing != "chunked":
            self.wfile.write(body)
            return
        for start in range(0, len(body), PIECE):
            piece = body[start : start + PIECE]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline() not in (b"\r\n", b""):
            pass
        return b"".join(pieces)

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128


server = Server(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
