package main

import (
	"bytes"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

// v5Target is the node under test.
type v5Target struct {
	address netip.AddrPort
	key     *ecdsa.PublicKey
	id      enode.ID
}

// v5Client is a socket for many nodes, one after the other.
type v5Client struct {
	socket *net.UDPConn
	target *v5Target
	queue  []*v5Identity
	buffer []byte
	serial uint64
	// Of whom it has a session with.
	current *v5Identity
	keys    v5Keys
}

func newV5Client(i, subnets int, target *v5Target) (*v5Client, error) {
	socket, err := listenSpread(i, subnets, 1)
	if err != nil {
		return nil, err
	}
	return &v5Client{socket: socket, target: target, buffer: make([]byte, 1281)}, nil
}

func (c *v5Client) address() *net.UDPAddr { return c.socket.LocalAddr().(*net.UDPAddr) }

// prepare makes nodes that are to meet the one under test.
func (c *v5Client) prepare(count int) error {
	c.queue = make([]*v5Identity, count)
	for i := range c.queue {
		identity, err := newV5Identity(c.address())
		if err != nil {
			return err
		}
		if err := identity.prepare(c.target.key); err != nil {
			return err
		}
		c.queue[i] = identity
	}
	return nil
}

func (c *v5Client) write(packet []byte) error {
	_, err := c.socket.WriteToUDPAddrPort(packet, c.target.address)
	return err
}

// read gives the next packet for an identity that is none of another one; nil when nothing has come in time.
func (c *v5Client) read(identity *v5Identity) (*v5Packet, error) {
	for {
		n, err := c.socket.Read(c.buffer)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		// Those that it met before are still asked for something.
		if packet, err := v5Unmask(identity.id, c.buffer[:n]); err == nil {
			return &packet, nil
		}
	}
}

// meet sets up a session for an identity, and has a Pong by it; false when something got lost.
func (c *v5Client) meet(identity *v5Identity) (bool, error) {
	nonce := v5Random(v5NonceSize)
	if err := c.write(identity.knock(c.target.id, nonce)); err != nil {
		return false, err
	}
	if err := c.socket.SetReadDeadline(time.Now().Add(replyTimeout)); err != nil {
		return false, err
	}
	for {
		p, err := c.read(identity)
		if p == nil || err != nil {
			return false, err
		}
		if p.flag != v5FlagWhoareyou || !bytes.Equal(p.nonce, nonce) {
			continue
		}
		id := c.nextID()
		packet, keys, err := identity.answer(c.target.id, p.head, v5Ping(id))
		if err != nil {
			return false, err
		}
		c.current, c.keys = identity, keys
		if err := c.write(packet); err != nil {
			return false, err
		}
		return c.awaitPong(id)
	}
}

// awaitPong reads until the answer to a Ping is there, and answers what is asked.
func (c *v5Client) awaitPong(id []byte) (bool, error) {
	for {
		p, err := c.read(c.current)
		if p == nil || err != nil {
			return false, err
		}
		if p.flag != v5FlagMessage {
			continue
		}
		plaintext, err := c.keys.read.Open(nil, p.nonce, p.message, p.head)
		if err != nil {
			return false, fmt.Errorf("a message that does not open: %w", err)
		}
		if done, err := isV5Pong(plaintext, id); done || err != nil {
			return done, err
		}
		if pong := v5PongTo(plaintext, c.address()); pong != nil {
			if err := c.write(c.current.say(c.target.id, c.keys, pong)); err != nil {
				return false, err
			}
		}
	}
}

func (c *v5Client) nextID() []byte {
	c.serial++
	return []byte{1, byte(c.serial >> 16), byte(c.serial >> 8), byte(c.serial)}
}

// meetAll sets up a session for each of the queue; how many have come about.
func (c *v5Client) meetAll() (int, error) {
	met := 0
	for _, identity := range c.queue {
		ok, err := c.meet(identity)
		if err != nil {
			return met, err
		}
		if ok {
			met++
		}
	}
	c.queue = nil
	return met, nil
}

// bond sets up the session by which it pings.
func (c *v5Client) bond() error {
	if err := c.prepare(1); err != nil {
		return err
	}
	for range bondAttempts {
		if ok, err := c.meet(c.queue[0]); ok || err != nil {
			return err
		}
	}
	return errors.New("no session came about")
}

// pingOften is discoverClient's for a session.
func (c *v5Client) pingOften(count int, gap time.Duration) (fields, error) {
	times := []float64{}
	for range count {
		time.Sleep(gap)
		id := c.nextID()
		start := time.Now()
		if err := c.socket.SetReadDeadline(start.Add(replyTimeout)); err != nil {
			return nil, err
		}
		if err := c.write(c.current.say(c.target.id, c.keys, v5Ping(id))); err != nil {
			return nil, err
		}
		ok, err := c.awaitPong(id)
		if err != nil {
			return nil, err
		}
		if ok {
			times = append(times, float64(time.Since(start).Nanoseconds())/1e6)
		}
	}
	return fields{"times": times, "lost": count - len(times)}, nil
}
