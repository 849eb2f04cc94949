package main

import (
	"net"
	"sync/atomic"
)

// v5Flood makes hostile packets of discovery v5. Each socket has a node of its own, which gets WHOAREYOUs.
type v5Flood struct {
	target     *v5Target
	identities []*v5Identity
	// Whether each has got one.
	isChallenged []atomic.Bool
}

func newV5Flood(target *v5Target, count int) (*v5Flood, error) {
	v := &v5Flood{target: target, isChallenged: make([]atomic.Bool, count)}
	for i := range count {
		// Where the record says that it is makes no difference: nobody gets into a table.
		identity, err := newV5Identity(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1025 + i})
		if err != nil {
			return nil, err
		}
		if err := identity.prepare(target.key); err != nil {
			return nil, err
		}
		v.identities = append(v.identities, identity)
	}
	return v, nil
}

func (*v5Flood) kinds(name string) []string {
	switch name {
	case "mixed":
		return []string{"message", "bytes", "knock", "handshake", "whoareyou"}
	case "handshakes":
		return []string{"knock", "handshake"}
	case "messages":
		return []string{"message"}
	}
	return nil
}

func (v *v5Flood) packet(f *flood, kind string, socket int) []byte {
	if kind == "bytes" {
		return f.randomBytes()
	}
	var nonce [v5NonceSize]byte
	f.fill(nonce[:])
	own := v.identities[socket]
	switch kind {
	case "message":
		// Of a node that has never been heard of, with a message of any length.
		var id [32]byte
		f.fill(id[:])
		message := f.buffer[:16+f.random.IntN(1000)]
		f.fill(message)
		return v5Masked(v.target.id, v5Head(v5FlagMessage, nonce[:], id[:]), message)
	case "whoareyou":
		// For a packet that nobody has sent.
		var authdata [v5IDNonceSize + 8]byte
		f.fill(authdata[:])
		return v5Masked(v.target.id, v5Head(v5FlagWhoareyou, nonce[:], authdata[:]), nil)
	case "handshake":
		if v.isChallenged[socket].Load() {
			return v.handshake(f, own, nonce[:])
		}
	}
	return own.knock(v.target.id, nonce[:])
}

// handshake is all right but for its id signature, which costs the other side as much as one can.
func (v *v5Flood) handshake(f *flood, own *v5Identity, nonce []byte) []byte {
	var signature [v5SignatureSize]byte
	f.fill(signature[:])
	signature[0] &= 0x7f
	signature[32] &= 0x3f
	var message [40]byte
	f.fill(message[:])
	head := v5Head(v5FlagHandshake, nonce, own.handshakeAuthdata(signature[:], own.ephemeral))
	return v5Masked(v.target.id, head, message[:])
}

func (v *v5Flood) heard(socket int, packet []byte) {
	p, err := v5Unmask(v.identities[socket].id, packet)
	if err == nil && p.flag == v5FlagWhoareyou {
		v.isChallenged[socket].Store(true)
	}
}
