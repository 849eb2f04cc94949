package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Sockets of a flood are on addresses of their own, 127.128.0.0/16, unless all are to be on one.
const floodNetwork = 128

// floodMaker makes hostile packets of one protocol.
type floodMaker interface {
	// kinds are those that a flood of that name sends in turn; nil where there is none.
	kinds(name string) []string
	// packet makes one, which is for the socket of that number; it may lie in the flood's buffer.
	packet(f *flood, kind string, socket int) []byte
	// heard is told what came back. It is called by a goroutine for each socket.
	heard(socket int, packet []byte)
}

// flood sends hostile packets and counts what comes back.
type flood struct {
	target  netip.AddrPort
	maker   floodMaker
	sockets []*net.UDPConn
	random  *rand.Rand
	buffer  []byte
	stop    chan struct{}
	ended   sync.WaitGroup
	start   time.Time

	sent, sentBytes, received, receivedBytes atomic.Int64
}

func startFlood(o *order, target netip.AddrPort, maker floodMaker) (*flood, error) {
	kinds := maker.kinds(o.Kind)
	if kinds == nil {
		return nil, fmt.Errorf("there is no flood of the kind %q", o.Kind)
	}
	if o.Rate <= 0 || o.Count <= 0 {
		return nil, fmt.Errorf("a flood of %v packets a second from %d sockets", o.Rate, o.Count)
	}
	f := &flood{
		target: target, maker: maker, random: rand.New(rand.NewPCG(1, 2)), buffer: make([]byte, 1280),
		stop: make(chan struct{}), start: time.Now(),
	}
	for i := range o.Count {
		socket, err := listenSpread(i, o.Subnets, floodNetwork)
		if err != nil {
			f.close()
			return nil, err
		}
		f.sockets = append(f.sockets, socket)
	}
	for i := range f.sockets {
		f.ended.Add(1)
		go f.read(i)
	}
	f.ended.Add(1)
	go func() {
		defer f.ended.Done()
		pace(o.Rate, f.stop, func(i int) bool {
			f.buffer = f.buffer[:cap(f.buffer)]
			socket := i / len(kinds) % len(f.sockets)
			packet := maker.packet(f, kinds[i%len(kinds)], socket)
			if _, err := f.sockets[socket].WriteToUDPAddrPort(packet, f.target); err == nil {
				f.sent.Add(1)
				f.sentBytes.Add(int64(len(packet)))
			}
			return true
		})
	}()
	return f, nil
}

// randomBytes are any, as many as it takes to fill part of the buffer.
func (f *flood) randomBytes() []byte {
	packet := f.buffer[:1+f.random.IntN(len(f.buffer))]
	f.fill(packet)
	return packet
}

func (f *flood) fill(bytes []byte) {
	var word [8]byte
	for len(bytes) > 0 {
		binary.LittleEndian.PutUint64(word[:], f.random.Uint64())
		bytes = bytes[copy(bytes, word[:]):]
	}
}

func (f *flood) read(socket int) {
	defer f.ended.Done()
	buffer := make([]byte, 1281)
	for {
		n, err := f.sockets[socket].Read(buffer)
		if err != nil {
			return
		}
		f.received.Add(1)
		f.receivedBytes.Add(int64(n))
		f.maker.heard(socket, buffer[:n])
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

// floodSlot holds the flood of a load, of which there is one at a time.
type floodSlot struct{ running *flood }

func (s *floodSlot) begin(o *order, target netip.AddrPort, maker floodMaker) error {
	if s.running != nil {
		return errors.New("there is a flood already")
	}
	flood, err := startFlood(o, target, maker)
	s.running = flood
	return err
}

func (s *floodSlot) end() (fields, error) {
	if s.running == nil {
		return nil, errors.New("there is no flood")
	}
	defer func() { s.running = nil }()
	return s.running.end(), nil
}
