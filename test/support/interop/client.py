"""A client on http.client: one connection, kept as long as the peer keeps it.

Usage: client.py PORT DIRECTORY < requests (a JSON list). Prints one outcome a line.
"""

import hashlib
import http.client
import json
import sys
from pathlib import Path

PIECE = 20_000
bodies = {path.name: path.read_bytes() for path in Path(sys.argv[2]).iterdir() if path.is_file()}


def pieces(body):
    for start in range(0, len(body), PIECE):
        yield body[start : start + PIECE]


connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
for request in json.load(sys.stdin):
    upload = request["upload"]
    if upload is None:
        connection.request(request["method"], request["path"])
    elif upload["chunked"]:
        headers = {"Transfer-Encoding": "chunked"}
        body = pieces(bodies[str(upload["size"])])
        connection.request(request["method"], request["path"], body, headers, encode_chunked=True)
    else:
        connection.request(request["method"], request["path"], bodies[str(upload["size"])])
    response = connection.getresponse()
    outcome = {
        "id": request["id"],
        "status": response.status,
        "target": response.headers.get("X-Target", ""),
        "length": response.headers.get("Content-Length", ""),
        "sha256": hashlib.sha256(response.read()).hexdigest(),
    }
    print(json.dumps(outcome))
