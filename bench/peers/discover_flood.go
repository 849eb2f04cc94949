package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/discover/v4wire"
)

// Sockets of a flood are on addresses of their own, 127.128.0.0/16, unless all are to be on one.
const floodNetwork = 128

// floodKinds make hostile packets; `template` is a packet that is all right but for its signature.
var floodKinds = map[string]func(f *flood) []byte{
	// Random bytes of any length.
	"bytes": func(f *flood) []byte {
		packet := f.buffer[:1+f.random.IntN(len(f.buffer))]
		f.fill(packet)
		return packet
	},
	// A Ping with a wrong hash.
	"hash": func(f *flood) []byte {
		f.buffer = append(f.buffer[:0], f.ping...)
		f.fill(f.buffer[:headLength])
		return f.buffer
	},
	// A Ping with the right hash of a random signature. About half of those recover, each to a key of nobody.
	"ping": func(f *flood) []byte { return f.signed(f.ping) },
	// The same with FindNode: nobody there has proved an endpoint.
	"findnode": func(f *flood) []byte { return f.signed(f.findnode) },
}

// floodOrder is what `mixed` sends in turn.
var floodOrder = []string{"ping", "bytes", "findnode", "hash"}

// flood sends hostile packets and counts what comes back.
type flood struct {
	target         netip.AddrPort
	sockets        []*net.UDPConn
	random         *rand.Rand
	buffer         []byte
	ping, findnode []byte
	stop           chan struct{}
	ended          sync.WaitGroup
	start          time.Time

	sent, sentBytes, received, receivedBytes atomic.Int64
}

func startFlood(o *order) (*flood, error) {
	target, err := loopbackTarget(o.Port)
	if err != nil {
		return nil, err
	}
	kinds := []string{o.Kind}
	if o.Kind == "mixed" {
		kinds = floodOrder
	} else if floodKinds[o.Kind] == nil {
		return nil, fmt.Errorf("there is no flood of the kind %q", o.Kind)
	}
	if o.Rate <= 0 || o.Count <= 0 {
		return nil, fmt.Errorf("a flood of %v packets a second from %d sockets", o.Rate, o.Count)
	}
	f := &flood{
		target: target, random: rand.New(rand.NewPCG(1, 2)), buffer: make([]byte, 1280),
		stop: make(chan struct{}), start: time.Now(),
	}
	if err := f.templates(); err != nil {
		return nil, err
	}
	for i := range o.Count {
		socket, err := listenSpread(i, o.Subnets, floodNetwork)
		if err != nil {
			f.close()
			return nil, err
		}
		f.sockets = append(f.sockets, socket)
	}
	for _, socket := range f.sockets {
		f.ended.Add(1)
		go f.read(socket)
	}
	f.ended.Add(1)
	go func() {
		defer f.ended.Done()
		pace(o.Rate, f.stop, func(i int) bool {
			f.buffer = f.buffer[:cap(f.buffer)]
			packet := floodKinds[kinds[i%len(kinds)]](f)
			if _, err := f.sockets[i/len(kinds)%len(f.sockets)].WriteToUDPAddrPort(packet, f.target); err == nil {
				f.sent.Add(1)
				f.sentBytes.Add(int64(len(packet)))
			}
			return true
		})
	}()
	return f, nil
}

func (f *flood) templates() error {
	key, err := crypto.GenerateKey()
	if err != nil {
		return err
	}
	to := v4wire.NewEndpoint(f.target, 0)
	if f.ping, _, err = v4wire.Encode(key, &v4wire.Ping{Version: 4, From: to, To: to, Expiration: expiry()}); err != nil {
		return err
	}
	f.findnode, _, err = v4wire.Encode(key, &v4wire.Findnode{Expiration: expiry()})
	return err
}

func (f *flood) fill(bytes []byte) {
	var word [8]byte
	for len(bytes) > 0 {
		binary.LittleEndian.PutUint64(word[:], f.random.Uint64())
		bytes = bytes[copy(bytes, word[:]):]
	}
}

// signed puts a random signature into a packet that costs the other side as much as one can: `s` is a low one.
func (f *flood) signed(template []byte) []byte {
	f.buffer = append(f.buffer[:0], template...)
	signature := f.buffer[hashLength:headLength]
	f.fill(signature)
	signature[32] &= 0x3f
	signature[64] &= 1
	copy(f.buffer, crypto.Keccak256(f.buffer[hashLength:]))
	return f.buffer
}

func (f *flood) read(socket *net.UDPConn) {
	defer f.ended.Done()
	buffer := make([]byte, 1281)
	for {
		n, err := socket.Read(buffer)
		if err != nil {
			return
		}
		f.received.Add(1)
		f.receivedBytes.Add(int64(n))
	}
}

func (f *flood) close() {
	for _, socket := range f.sockets {
		socket.Close()
	}
}

// end stops it, and says what was sent and what came back.
func (f *flood) end() fields {
	close(f.stop)
	seconds := time.Since(f.start).Seconds()
	f.close()
	f.ended.Wait()
	return fields{
		"seconds": seconds, "sent": f.sent.Load(), "sentBytes": f.sentBytes.Load(),
		"received": f.received.Load(), "receivedBytes": f.receivedBytes.Load(),
	}
}
