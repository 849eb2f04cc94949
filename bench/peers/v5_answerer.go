package main

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
)

// v5Answerer is a node that the one under test meets: it asks who that is, and answers its first Ping.
type v5Answerer struct {
	identity  *v5Identity
	socket    *net.UDPConn
	target    *v5Target
	challenge []byte
	answered  *atomic.Int64
}

// v5Answerers are nodes that wait to be met.
type v5Answerers struct {
	nodes    []*v5Answerer
	answered atomic.Int64
	failed   atomic.Pointer[error]
}

func startV5Answerers(count int, target *v5Target) (*v5Answerers, error) {
	all := new(v5Answerers)
	for i := range count {
		socket, err := listenSpread(i, 0, 1)
		if err != nil {
			all.close()
			return nil, err
		}
		a := &v5Answerer{socket: socket, target: target, answered: &all.answered}
		all.nodes = append(all.nodes, a)
		if a.identity, err = newV5Identity(socket.LocalAddr().(*net.UDPAddr)); err != nil {
			all.close()
			return nil, err
		}
	}
	for _, node := range all.nodes {
		go func() {
			if err := node.serve(); err != nil {
				all.failed.Store(&err)
			}
		}()
	}
	return all, nil
}

func (all *v5Answerers) records() []string {
	texts := make([]string, len(all.nodes))
	for i, node := range all.nodes {
		texts[i] = node.identity.text
	}
	return texts
}

// close ends them all, and gives how many have answered.
func (all *v5Answerers) close() (fields, error) {
	for _, node := range all.nodes {
		node.socket.Close()
	}
	if err := all.failed.Load(); err != nil {
		return nil, *err
	}
	return fields{"answered": all.answered.Load()}, nil
}

func (a *v5Answerer) serve() error {
	buffer := make([]byte, 1281)
	for {
		n, from, err := a.socket.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		p, err := v5Unmask(a.identity.id, buffer[:n])
		if err != nil {
			return err
		}
		if err := a.take(p, from); err != nil {
			return err
		}
	}
}

func (a *v5Answerer) take(p v5Packet, from netip.AddrPort) error {
	switch p.flag {
	case v5FlagMessage:
		if a.challenge != nil {
			return nil // Of the session nothing is asked but the first Ping.
		}
		packet, challenge := a.identity.whoareyou(a.target.id, p.nonce)
		a.challenge = challenge
		_, err := a.socket.WriteToUDPAddrPort(packet, from)
		return err
	case v5FlagHandshake:
		plaintext, keys, err := a.identity.accept(p, a.challenge, a.target.key, int(a.answered.Load()))
		if err != nil {
			return err
		}
		pong := v5PongTo(plaintext, net.UDPAddrFromAddrPort(from))
		if pong == nil {
			return errors.New("a handshake without a Ping")
		}
		a.answered.Add(1)
		_, err = a.socket.WriteToUDPAddrPort(a.identity.say(a.target.id, keys, pong), from)
		return err
	}
	return nil
}
