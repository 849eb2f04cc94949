package main

import (
	"crypto/ecdsa"
	"encoding/hex"
	"flag"
	"fmt"
	"net"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/rlpx"
)

// jobBacklog bounds the bursts that wait for one peer's writer.
const jobBacklog = 16

// node is the process under test: a p2p.Server, the messages that it sends, a count of those that it receives.
// bench/node-subject.ts is its counterpart and takes the same orders.
type node struct {
	server   *p2p.Server
	payloads [][]byte
	// received counts down; a mutex for each message would be a cost that is not the server's.
	received atomic.Int64
	arrived  chan struct{}
	flooding atomic.Bool
	flooded  sync.WaitGroup

	mu      sync.Mutex // guards the rest
	changed *sync.Cond
	order   []*nodePeer
}

// nodePeer has a goroutine of its own that writes, as the eth protocol of go-ethereum has it.
type nodePeer struct {
	rw   p2p.MsgReadWriter
	jobs chan job
	err  atomic.Pointer[error]
}

type job struct {
	payloads     [][]byte
	first, count int
	done         *sync.WaitGroup
}

func runNode(args []string) error {
	set := flag.NewFlagSet("node", flag.ContinueOnError)
	maxPeers := set.Int("max-peers", 50, "peers at most")
	bare := set.Bool("bare", false, "only a listener: handshake, Hello, end")
	if err := set.Parse(args); err != nil {
		return err
	}
	fileLimit()
	n := new(node)
	n.changed = sync.NewCond(&n.mu)
	if *bare {
		key, err := crypto.GenerateKey()
		if err != nil {
			return err
		}
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		go acceptBare(listener, key)
		address := enode.NewV4(&key.PublicKey, net.IP{127, 0, 0, 1}, listener.Addr().(*net.TCPAddr).Port, 0)
		return serveOrders(nodeReady(address), n.handle)
	}
	server, err := startServer(*maxPeers, n.run)
	if err != nil {
		return err
	}
	n.server = server
	// Stop is not called: it would say goodbye to every peer, for nothing.
	return serveOrders(nodeReady(server.Self()), n.handle)
}

func nodeReady(self *enode.Node) fields {
	return fields{"ready": true, "port": self.TCP(), "id": hex.EncodeToString(crypto.FromECDSAPub(self.Pubkey())[1:])}
}

// acceptBare takes connections through handshake and Hello, and drops them when the other side has.
func acceptBare(listener net.Listener, key *ecdsa.PrivateKey) {
	for {
		socket, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer socket.Close()
			conn := rlpx.NewConn(socket, nil)
			if _, err := conn.Handshake(key); err != nil {
				return
			}
			if exchangeHello(conn, key) == nil {
				conn.Read()
			}
		}()
	}
}

func (n *node) run(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
	self := &nodePeer{rw: rw, jobs: make(chan job, jobBacklog)}
	go self.write()
	n.mu.Lock()
	n.order = append(n.order, self)
	n.changed.Broadcast()
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		for i, other := range n.order {
			if other == self {
				n.order = append(n.order[:i:i], n.order[i+1:]...)
				break
			}
		}
		n.changed.Broadcast()
	}()
	for {
		msg, err := rw.ReadMsg()
		if err != nil {
			return err
		}
		if err := msg.Discard(); err != nil {
			return err
		}
		if n.received.Add(-1) == 0 {
			close(n.arrived)
		}
	}
}

func (p *nodePeer) write() {
	for j := range p.jobs {
		for i := range j.count {
			if p.err.Load() != nil {
				break
			}
			if err := writeBytes(p.rw, 0, j.payloads[(j.first+i)%len(j.payloads)]); err != nil {
				p.err.Store(&err)
			}
		}
		j.done.Done()
	}
}

func (n *node) peers() []*nodePeer {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]*nodePeer(nil), n.order...)
}

// send gives every peer the same messages, `burst` in a row before it is the next peer's turn.
func (n *node) send(peers []*nodePeer, first, messages, burst int) error {
	var done sync.WaitGroup
	for sent := 0; sent < messages; sent += burst {
		for _, p := range peers {
			done.Add(1)
			p.jobs <- job{payloads: n.payloads, first: first + sent, count: min(burst, messages-sent), done: &done}
		}
	}
	done.Wait()
	for _, p := range peers {
		if err := p.err.Load(); err != nil {
			return fmt.Errorf("a peer was lost: %w", *err)
		}
	}
	return nil
}

func (n *node) flood(peers []*nodePeer) {
	defer n.flooded.Done()
	for sent := 0; n.flooding.Load(); sent += len(n.payloads) {
		if n.send(peers, sent, len(n.payloads), len(n.payloads)) != nil {
			return
		}
	}
}

func (n *node) handle(o *order) (fields, error) {
	switch o.Cmd {
	case "payloads":
		n.payloads = o.Data
	case "peers":
		n.mu.Lock()
		defer n.mu.Unlock()
		for len(n.order) != o.Count {
			n.changed.Wait()
		}
	case "send":
		return nil, n.send(n.peers(), 0, o.Messages, o.Burst)
	case "flood":
		n.flooding.Store(true)
		n.flooded.Add(1)
		go n.flood(n.peers()[:o.Count])
	case "stop":
		n.flooding.Store(false)
		n.flooded.Wait()
	case "expect":
		n.arrived = make(chan struct{})
		n.received.Store(int64(o.Messages))
	case "reached":
		<-n.arrived
	case "cpu":
		return fields{"seconds": cpuSeconds()}, nil
	case "gc":
		runtime.GC()
		debug.FreeOSMemory()
	case "dial":
		target, err := enode.ParseV4(o.Enode)
		if err != nil {
			return nil, err
		}
		return nil, dialServer(n.server, target)
	default:
		return unknownOrder(o)
	}
	return nil, nil
}
