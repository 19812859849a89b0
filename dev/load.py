"""What `make load` sends: see load.sh. Of the standard library alone; each sender is a process that keeps several connections full."""

import collections
import http.client
import multiprocessing
import os
import re
import selectors
import socket
import sys
import time

PORT, TOKEN = int(os.environ["PORT"]), os.environ["TOKEN"]
SECONDS = float(os.environ["SECONDS_OF_LOAD"])
SENDERS, CONNECTIONS, BATCH = 2, 8, 64
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


def wrong(number):
    """A batch of requests, each with another token that is none, also half of those that look like one."""
    texts = (f"plx_{number * BATCH + n:016x}_{'0' * 64}" if n % 2 else f"nonsense-{n}" for n in range(BATCH))
    lines = (f"GET /api/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {text}\r\n\r\n" for text in texts)
    return "".join(lines).encode()


def send(sender, until, told):
    """Keeps connections full until then, and says which codes came back."""
    codes, selector = collections.Counter(), selectors.DefaultSelector()
    for number in range(CONNECTIONS):
        address = f"127.0.{sender + 1}.{number + 1}"
        line = socket.create_connection(("127.0.0.1", PORT), source_address=(address, 0))
        line.sendall(wrong(sender * CONNECTIONS + number))
        selector.register(line, selectors.EVENT_READ, {"open": BATCH, "rest": b"", "number": number})
    while time.monotonic() < until:
        for key, _ in selector.select(timeout=0.2):
            state, text = key.data, key.fileobj.recv(1 << 18)
            if not text:
                sys.exit("a connection was closed: it should be told 401 or 429")
            text = state["rest"] + text
            found = STATUS.findall(text)
            codes.update(code.decode() for code in found)
            # What a code may have been cut in is looked at again with what follows; a code itself is not counted twice.
            state["rest"] = b"" if STATUS.search(text[-12:]) else text[-12:]
            state["open"] -= len(found)
            if state["open"] <= 0:
                state["open"] += BATCH
                key.fileobj.sendall(wrong(sender * CONNECTIONS + state["number"]))
    told.put(codes)


def right(until):
    """The times of a client with a right token, one request after the other, in milliseconds; whatever is no 200 ends all."""
    times, line = [], http.client.HTTPConnection("localhost", PORT, timeout=30)
    while time.monotonic() < until:
        begun = time.perf_counter()
        line.request("GET", "/api/whoami", headers={"Authorization": f"Bearer {TOKEN}"})
        answer = line.getresponse()
        answer.read()
        if answer.status != 200:
            sys.exit(f"a right token was answered with {answer.status}")
        times.append((time.perf_counter() - begun) * 1000)
        time.sleep(0.005)
    return sorted(times)


def words(times):
    return f"{len(times)} right ones, half within {times[len(times) // 2]:.1f} ms, 99 of 100 within {times[len(times) * 99 // 100]:.1f} ms"


def main():
    print("before:   ", words(right(time.monotonic() + 2)))
    until, told = time.monotonic() + SECONDS, multiprocessing.Queue()
    senders = [multiprocessing.Process(target=send, args=(number, until, told)) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    meanwhile = right(until)
    codes = collections.Counter()
    for _ in senders:
        codes.update(told.get(timeout=30))
    for sender in senders:
        sender.join()
    print("meanwhile:", words(meanwhile))
    print(f"wrong:     {sum(codes.values()) / SECONDS:.0f} a second: {dict(codes)}")
    if set(codes) - {"401", "429"} or any(sender.exitcode for sender in senders):
        sys.exit("wrong tokens are told 401 or 429, and nothing else")


if __name__ == "__main__":
    main()
