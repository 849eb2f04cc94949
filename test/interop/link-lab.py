"""Two network namespaces, 10.99.0.1 and 10.99.0.2, and nothing between them but this program, which is a bad line.

usage: link-lab.py NAME_A NAME_B DELAY_MS LOSS_PERCENT REORDER_PERCENT SEED

It says `ready`, then takes lines: `cut` loses everything from then on, `mend` ends that; at the end of stdin all is taken
down. Each namespace has one TUN interface; what the kernel puts into one comes out of the other, later, or never. A packet
that is reordered overtakes those before it: it goes without the delay.
"""

import ctypes
import fcntl
import heapq
import itertools
import os
import random
import selectors
import struct
import subprocess
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
CLONE_NEWNET = 0x40000000
MTU = 1500
# What a packet may wait for, in bytes of all: a line has a buffer, and it ends.
MAX_QUEUED = 8 * 1024 * 1024

libc = ctypes.CDLL(None, use_errno=True)


def ip(*args):
    subprocess.run(["ip", *args], check=True)


def enter(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        if libc.setns(handle, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {path}")
    finally:
        os.close(handle)


def end_of_line(name, own, other):
    """Makes a namespace with one end of the line; gives its file."""
    ip("netns", "add", name)
    enter(f"/run/netns/{name}")
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"line", IFF_TUN | IFF_NO_PI))
    enter(HOME)
    for args in (
        ("link", "set", "lo", "up"),
        ("addr", "add", own, "peer", other, "dev", "line"),
        ("link", "set", "line", "mtu", str(MTU), "up"),
    ):
        ip("-n", name, *args)
    return tun


def relay(ends, delay, loss, reorder, seed):
    rnd = random.Random(seed)
    order = itertools.count()
    line, queued, is_cut = [], 0, False
    selector = selectors.DefaultSelector()
    for tun in ends:
        selector.register(tun, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    os.set_blocking(sys.stdin.fileno(), False)
    print("ready", flush=True)
    while True:
        wait = max(0.0, line[0][0] - time.monotonic()) if line else None
        for key, _ in selector.select(wait):
            if key.fileobj is sys.stdin:
                orders = os.read(sys.stdin.fileno(), 4096)
                if not orders:
                    return
                for word in orders.split():
                    is_cut = word == b"cut"
                continue
            far = ends[1 - ends.index(key.fd)]
            while True:
                try:
                    packet = os.read(key.fd, 65536)
                except BlockingIOError:
                    break
                if is_cut or rnd.random() < loss or queued > MAX_QUEUED:
                    continue
                late = 0 if rnd.random() < reorder else delay
                queued += len(packet)
                heapq.heappush(line, (time.monotonic() + late, next(order), far, packet))
        while line and line[0][0] <= time.monotonic():
            _, _, far, packet = heapq.heappop(line)
            queued -= len(packet)
            if is_cut:
                continue
            try:
                os.write(far, packet)
            except OSError:
                pass


names = sys.argv[1:3]
delay, loss, reorder = float(sys.argv[3]) / 1000, float(sys.argv[4]) / 100, float(sys.argv[5]) / 100
HOME = f"/proc/self/fd/{os.open('/proc/self/ns/net', os.O_RDONLY)}"
try:
    addresses = ("10.99.0.1", "10.99.0.2")
    ends = [end_of_line(names[i], addresses[i], addresses[1 - i]) for i in (0, 1)]
    relay(ends, delay, loss, reorder, int(sys.argv[6]))
finally:
    for name in names:
        subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)
