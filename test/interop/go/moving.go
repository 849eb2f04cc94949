package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/ethereum/go-ethereum/p2p/discover"
)

// movingConn is the socket of a node whose endpoint changes while the node runs on, as that of a host whose router
// gives it another port. It counts what goes through it, and lets nothing leave loopback.
type movingConn struct {
	mu     sync.Mutex
	socket *net.UDPConn
	closed bool
	in     packetCount
	out    packetCount
}

// listenLoopback opens a socket; port 0 is any.
func listenLoopback(ip net.IP, port int) (*net.UDPConn, error) {
	network := "udp4"
	if ip.To4() == nil {
		network = "udp6"
	}
	return net.ListenUDP(network, &net.UDPAddr{IP: ip, Port: port})
}

func (c *movingConn) current() (*net.UDPConn, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.socket, c.closed
}

// move takes another socket. Whoever reads goes on there.
func (c *movingConn) move(socket *net.UDPConn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errors.New("the node is closed")
	}
	old := c.socket
	c.socket = socket
	return old.Close()
}

func (c *movingConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		socket, _ := c.current()
		n, from, err := socket.ReadFromUDPAddrPort(b)
		if err == nil {
			c.in.add(n)
			return n, from, nil
		}
		if now, closed := c.current(); closed || now == socket {
			return n, from, err
		}
	}
}

func (c *movingConn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if !to.Addr().Unmap().IsLoopback() {
		return 0, fmt.Errorf("%s is not on loopback", to)
	}
	socket, _ := c.current()
	n, err := socket.WriteToUDPAddrPort(b, to)
	if err == nil {
		c.out.add(n)
	}
	return n, err
}

func (c *movingConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	return c.socket.Close()
}

func (c *movingConn) LocalAddr() net.Addr {
	socket, _ := c.current()
	return socket.LocalAddr()
}

func (c *movingConn) port() int {
	return c.LocalAddr().(*net.UDPAddr).Port
}

// secondConn is a socket for discovery v5 where v4 has the socket itself: it reads what v4 could not, as p2p.Server's.
type secondConn struct {
	*movingConn
	unhandled <-chan discover.ReadPacket
}

func (c *secondConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	packet, ok := <-c.unhandled
	if !ok {
		return 0, netip.AddrPort{}, net.ErrClosed
	}
	return copy(b, packet.Data), packet.Addr, nil
}

// Close leaves the socket to v4.
func (c *secondConn) Close() error {
	return nil
}

func (p *packetCount) add(size int) {
	p.packets.Add(1)
	p.bytes.Add(int64(size))
}

func (p *packetCount) report() fields {
	return fields{"packets": p.packets.Load(), "bytes": p.bytes.Load()}
}

var _ discover.UDPConn = (*secondConn)(nil)

// unhandledBacklog is p2p.Server's.
const unhandledBacklog = 100
