package main

import (
	"fmt"
	"net"

	"github.com/ethereum/go-ethereum/common/mclock"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/discover/v5wire"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
)

// v5PacketBatch is how many packets are encoded or decoded between two looks at the clock.
const v5PacketBatch = 2000

// v5HandshakeBatch is the same of handshakes.
const v5HandshakeBatch = 20

// v5Side is a node that has a session with another one.
type v5Side struct {
	codec *v5wire.Codec
	id    enode.ID
	node  *enode.Node
}

func newV5Side(port int) v5Side {
	key := must(crypto.GenerateKey())
	db := must(enode.OpenDB(""))
	local := enode.NewLocalNode(db, key)
	local.SetStaticIP(net.IP{127, 0, 0, 1})
	local.SetFallbackUDP(port)
	return v5Side{codec: v5wire.NewCodec(local, key, mclock.System{}, nil), id: local.ID(), node: local.Node()}
}

// v5Session is two nodes that have shaken hands.
func v5Session() (a, b v5Side) {
	a, b = newV5Side(30303), newV5Side(30304)
	shakeHands(a, b, "127.0.0.1:30303")
	return a, b
}

func shakeHands(a, b v5Side, addr string) {
	ping := &v5wire.Ping{ReqID: []byte{1}}
	packet, _, err := a.codec.Encode(b.id, addr, ping, nil)
	check(err)
	_, _, unknown, err := b.codec.Decode(packet, addr)
	check(err)
	challenge := &v5wire.Whoareyou{Nonce: unknown.(*v5wire.Unknown).Nonce, IDNonce: [16]byte{1}}
	packet, _, err = b.codec.Encode(a.id, addr, challenge, nil)
	check(err)
	_, _, received, err := a.codec.Decode(packet, addr)
	check(err)
	whoareyou := received.(*v5wire.Whoareyou)
	whoareyou.Node = b.node
	packet, _, err = a.codec.Encode(b.id, addr, ping, whoareyou)
	check(err)
	_, node, _, err := b.codec.Decode(packet, addr)
	check(err)
	if node == nil {
		panic("no session came about")
	}
}

// measureV5Handshake is both sides of a handshake, the record of the initiator included.
func measureV5Handshake() float64 {
	a, b := newV5Side(30303), newV5Side(30304)
	port := 0
	// With one address there would be a session already.
	return v5Rate(v5HandshakeBatch, func() { port++; shakeHands(a, b, fmt.Sprintf("127.0.0.1:%d", port)) })
}

// v5Messages are a Ping, and a Nodes with three records, as `bench/v5-packets.ts` has them.
func v5Messages() map[string]v5wire.Packet {
	var records []*enr.Record
	for port := range 3 {
		records = append(records, newV5Side(30310+port).node.Record())
	}
	id := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	return map[string]v5wire.Packet{
		"ping":  &v5wire.Ping{ReqID: id, ENRSeq: 7},
		"nodes": &v5wire.Nodes{ReqID: id, RespCount: 5, Nodes: records},
	}
}

func measureV5Encode(message v5wire.Packet) float64 {
	const addr = "127.0.0.1:30303"
	a, b := v5Session()
	return v5Rate(v5PacketBatch, func() { _, _, err := a.codec.Encode(b.id, addr, message, nil); check(err) })
}

func measureV5Decode(message v5wire.Packet) float64 {
	const addr = "127.0.0.1:30303"
	a, b := v5Session()
	encoded, _, err := a.codec.Encode(b.id, addr, message, nil)
	check(err)
	packet := append([]byte(nil), encoded...)
	return v5Rate(v5PacketBatch, func() {
		_, _, got, err := b.codec.Decode(packet, addr)
		check(err)
		if got.Kind() != message.Kind() {
			panic("a packet came back wrong")
		}
	})
}

// v5Rate is how often a second of CPU time, of all threads, `run` is done.
func v5Rate(batch int, run func()) float64 {
	count := 0
	start := cpuSeconds()
	for {
		for range batch {
			run()
		}
		count += batch
		if used := cpuSeconds() - start; used >= work.v5Packets.Seconds() {
			return float64(count) / used
		}
	}
}
