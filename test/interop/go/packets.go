package main

import (
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
)

// packetKindOffset is where the type of a discovery v4 packet is: behind its hash and its signature.
const packetKindOffset = 32 + 65

// packetKinds are those of discovery v4 by their number; whatever else there is counts as the first.
var packetKinds = [...]string{
	"other", "ping", "pong", "findNode", "neighbors", "enrRequest", "enrResponse",
}

type packetCount struct{ packets, bytes atomic.Int64 }

// packetCounter counts the packets of all nodes of this process.
type packetCounter struct{ in, out [len(packetKinds)]packetCount }

func note(counts *[len(packetKinds)]packetCount, packet []byte) {
	kind := 0
	if len(packet) > packetKindOffset && int(packet[packetKindOffset]) < len(packetKinds) {
		kind = int(packet[packetKindOffset])
	}
	counts[kind].packets.Add(1)
	counts[kind].bytes.Add(int64(len(packet)))
}

func (c *packetCounter) report() fields {
	direction := func(counts *[len(packetKinds)]packetCount) fields {
		all := fields{}
		for kind, name := range packetKinds {
			all[name] = fields{"packets": counts[kind].packets.Load(), "bytes": counts[kind].bytes.Load()}
		}
		return all
	}
	return fields{"received": direction(&c.in), "sent": direction(&c.out)}
}

// countedConn counts what goes through a socket, and lets nothing leave loopback.
type countedConn struct {
	*net.UDPConn
	counts *packetCounter
	// tap, if there is one, is shown each packet before go-ethereum gets it, which then uses the buffer again.
	tap atomic.Pointer[func(packet []byte, from netip.AddrPort)]
}

func (c *countedConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	n, from, err := c.UDPConn.ReadFromUDPAddrPort(b)
	if err == nil {
		note(&c.counts.in, b[:n])
		if tap := c.tap.Load(); tap != nil {
			(*tap)(b[:n], from)
		}
	}
	return n, from, err
}

func (c *countedConn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if !to.Addr().Unmap().IsLoopback() {
		return 0, fmt.Errorf("%s is not on loopback", to)
	}
	n, err := c.UDPConn.WriteToUDPAddrPort(b, to)
	if err == nil {
		note(&c.counts.out, b)
	}
	return n, err
}
