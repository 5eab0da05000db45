"""A datagram socket as a service manager has one: prints each message as a line of JSON."""
import json
import os
import socket
import sys

path = sys.argv[1]
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(path)
print(json.dumps({"listening": path}), flush=True)
while True:
    # Descriptors that come with a message (BARRIER=1) are closed: that is the answer to it.
    data, descriptors, _, _ = socket.recv_fds(receiver, 65536, 4)
    for descriptor in descriptors:
        os.close(descriptor)
    print(json.dumps(data.decode().split("\n")), flush=True)
