package main

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/rlpx"
	"github.com/ethereum/go-ethereum/rlp"
)

const (
	helloCode = 0x00
	discCode  = 0x01
	pingCode  = 0x02
	pongCode  = 0x03
	// benchCode is the first code of the only protocol beside the base protocol.
	benchCode = 0x10

	// writeSize is the buffering of a peer that sends: what its sockets are written at a time.
	writeSize = 16 << 10
	// A drain does not answer Pings; its own keep the node from giving it up.
	drainPingInterval = 10 * time.Second
)

var emptyList = []byte{0xc0}

// load is the other side of a node under test, the same for all of them: cheap peers that send what was encoded
// beforehand, or drop what they get undecoded.
type load struct {
	payloads [][]byte
	peers    []*loadPeer
	goal     goal
	learnt   atomic.Int64 // bytes on the wire that each peer got while learning
}

type loadPeer struct {
	load   *load
	socket net.Conn
	wire   *wire
	conn   *rlpx.Conn
	pongs  chan struct{}
	// writing is held by whoever writes, and from `encode` to the end of `blast`.
	writing sync.Mutex
	encoded bytes.Buffer
	// learning is how many messages are still to be read and compared before this peer becomes a drain.
	learning atomic.Int64
	// left is how many bytes a drain still waits for.
	left atomic.Int64
}

func runLoad([]string) error {
	l := new(load)
	return serveOrders(fields{"ready": true, "files": fileLimit()}, l.handle)
}

func (l *load) handle(o *order) (fields, error) {
	switch o.Cmd {
	case "payloads":
		l.payloads = o.Data
	case "connect":
		return nil, l.connect(o)
	case "learn":
		l.goal.set(int64(len(l.peers)))
		for _, p := range l.peers {
			p.learning.Store(int64(o.Messages))
		}
	case "learnt":
		l.goal.wait()
		return fields{"bytes": l.learnt.Load()}, nil
	case "expect":
		l.goal.set(int64(len(l.peers)))
		for _, p := range l.peers {
			p.left.Store(o.Bytes)
		}
	case "reached":
		l.goal.wait()
	case "encode":
		return nil, l.each(func(p *loadPeer) error { return p.encode(o.Messages) })
	case "blast":
		return nil, l.each((*loadPeer).blast)
	case "ping":
		return l.peers[0].ping(o.Count, time.Duration(o.Gap*float64(time.Millisecond)))
	case "handshakes":
		return nil, l.handshakes(o)
	case "close":
		for _, p := range l.peers {
			p.socket.Close()
		}
		l.peers = nil
	default:
		return unknownOrder(o)
	}
	return nil, nil
}

// each runs the same for all peers at once.
func (l *load) each(run func(*loadPeer) error) error {
	errs := make(chan error)
	for _, p := range l.peers {
		go func() { errs <- run(p) }()
	}
	var first error
	for range l.peers {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// parallel runs something `count` times, `width` at a time.
func parallel(count, width int, run func() error) error {
	errs := make(chan error)
	var next atomic.Int64
	for range width {
		go func() {
			for next.Add(1) <= int64(count) {
				if err := run(); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	var first error
	for range width {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

func remoteKey(id string) (*ecdsa.PublicKey, error) {
	raw, err := hex.DecodeString(id)
	if err != nil {
		return nil, err
	}
	return crypto.UnmarshalPubkey(append([]byte{4}, raw...))
}

// dial connects to the node as a peer with a fresh key, up to both Hellos.
func dial(o *order, remote *ecdsa.PublicKey) (*loadPeer, error) {
	key, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	socket, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", o.Port), dialTimeout)
	if err != nil {
		return nil, err
	}
	p := &loadPeer{socket: socket, wire: &wire{Conn: socket, in: socket, out: socket}, pongs: make(chan struct{}, 1)}
	p.conn = rlpx.NewConn(p.wire, remote)
	if _, err = p.conn.Handshake(key); err == nil {
		err = exchangeHello(p.conn, key)
	}
	if err != nil {
		socket.Close()
		return nil, err
	}
	return p, nil
}

// helloMessage is Hello of the devp2p base protocol, version 5.
type helloMessage struct {
	Version    uint64
	Name       string
	Caps       []p2p.Cap
	ListenPort uint64
	ID         []byte
	Rest       []rlp.RawValue `rlp:"tail"`
}

func exchangeHello(conn *rlpx.Conn, key *ecdsa.PrivateKey) error {
	own := helloMessage{
		Version: 5, Name: "bench-go", Caps: []p2p.Cap{{Name: "bench", Version: 1}},
		ID: crypto.FromECDSAPub(&key.PublicKey)[1:],
	}
	encoded, err := rlp.EncodeToBytes(&own)
	if err != nil {
		return err
	}
	if _, err := conn.Write(helloCode, encoded); err != nil {
		return err
	}
	code, data, _, err := conn.Read()
	if err != nil {
		return err
	}
	var remote helloMessage
	if code != helloCode {
		return fmt.Errorf("message %d instead of Hello: %x", code, data)
	}
	if err := rlp.DecodeBytes(data, &remote); err != nil {
		return err
	}
	conn.SetSnappy(remote.Version >= 5)
	return nil
}

func (l *load) connect(o *order) error {
	remote, err := remoteKey(o.ID)
	if err != nil {
		return err
	}
	if need := uint64(o.Count + 64); fileLimit() < need {
		return fmt.Errorf("%d open files are needed, and %d allowed (ulimit -n)", need, fileLimit())
	}
	var mu sync.Mutex
	return parallel(o.Count, o.Parallel, func() error {
		p, err := dial(o, remote)
		if err != nil {
			return err
		}
		p.load = l
		go p.run()
		mu.Lock()
		defer mu.Unlock()
		l.peers = append(l.peers, p)
		return nil
	})
}

// handshakes connects and leaves again.
func (l *load) handshakes(o *order) error {
	remote, err := remoteKey(o.ID)
	if err != nil {
		return err
	}
	return parallel(o.Count, o.Parallel, func() error {
		p, err := dial(o, remote)
		if err != nil {
			return err
		}
		return p.socket.Close()
	})
}

// run reads until the connection ends. A benchmark whose connections end early has failed.
func (p *loadPeer) run() {
	err := p.decode()
	if err == nil {
		err = p.drain()
	}
	if !errors.Is(err, net.ErrClosed) {
		fmt.Fprintln(os.Stderr, "bench-go load: the node closed a connection: "+err.Error())
		os.Exit(1)
	}
}

// decode reads messages, until it has learnt how long they are.
func (p *loadPeer) decode() error {
	var index int
	var total int64
	for {
		code, data, wireSize, err := p.conn.Read()
		if err != nil {
			return err
		}
		switch code {
		case pingCode:
			err = p.write(pongCode)
		case pongCode:
			p.pongs <- struct{}{}
		case discCode:
			err = fmt.Errorf("it gave a reason: %x", data)
		case benchCode:
			if want := p.load.payloads[index%len(p.load.payloads)]; !bytes.Equal(data, want) {
				return fmt.Errorf("message %d came with other content", index)
			}
			index++
			total += frameLength(wireSize)
			if p.learning.Add(-1) == 0 {
				p.load.learnt.Store(total)
				p.load.goal.add(1)
				return nil
			}
		}
		if err != nil {
			return err
		}
	}
}

// frameLength is that of a frame with a message code of one byte (rlpx.md, "Framing").
func frameLength(data int) int64 {
	return int64(16 + 16 + (1+data+15)/16*16 + 16)
}

// drain drops what comes and only counts its bytes.
func (p *loadPeer) drain() error {
	go func() {
		for range time.Tick(drainPingInterval) {
			if p.write(pingCode) != nil {
				return
			}
		}
	}()
	buffer := make([]byte, 256<<10)
	for {
		n, err := p.socket.Read(buffer)
		if err != nil {
			return err
		}
		if left := p.left.Add(-int64(n)); left <= 0 && left > -int64(n) {
			p.load.goal.add(1)
		}
	}
}

func (p *loadPeer) write(code uint64) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	_, err := p.conn.Write(code, emptyList)
	return err
}

// encode makes the frames that `blast` will send. Nothing else is written meanwhile: frames are chained.
func (p *loadPeer) encode(messages int) error {
	p.writing.Lock()
	p.encoded.Reset()
	p.wire.out = &p.encoded
	defer func() { p.wire.out = p.socket }()
	for i := range messages {
		if _, err := p.conn.Write(benchCode, p.load.payloads[i%len(p.load.payloads)]); err != nil {
			return err
		}
	}
	return nil
}

func (p *loadPeer) blast() error {
	defer p.writing.Unlock()
	for rest := p.encoded.Bytes(); len(rest) > 0; {
		n, err := p.socket.Write(rest[:min(writeSize, len(rest))])
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// ping gives the times in milliseconds from Ping to Pong, one after the other.
func (p *loadPeer) ping(count int, gap time.Duration) (fields, error) {
	times := make([]float64, count)
	for i := range times {
		time.Sleep(gap)
		start := time.Now()
		if err := p.write(pingCode); err != nil {
			return nil, err
		}
		select {
		case <-p.pongs:
		case <-time.After(dialTimeout):
			return nil, io.ErrNoProgress
		}
		times[i] = float64(time.Since(start).Nanoseconds()) / 1e6
	}
	return fields{"times": times}, nil
}
