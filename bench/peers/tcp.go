package main

import (
	"bytes"
	"fmt"
	"math/rand"
	"net"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/netutil"
)

const (
	tcpMessageLength = 100_000
	dialTimeout      = 15 * time.Second
	// dialedConn is the flag of a dialed connection in p2p.Server.SetupConn, whose type has no exported name.
	dialedConn = 1
	// benchLength is the number of codes of the protocol bench/1.
	benchLength = 1
)

// startServer runs a p2p.Server with the protocol bench/1 that neither discovers nor dials.
func startServer(maxPeers int, handler func(*p2p.Peer, p2p.MsgReadWriter) error) (*p2p.Server, error) {
	restrict, err := netutil.ParseNetlist("127.0.0.0/8")
	if err != nil {
		return nil, err
	}
	key, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	server := &p2p.Server{Config: p2p.Config{
		PrivateKey: key, Name: "bench-go", MaxPeers: maxPeers, NoDiscovery: true, NoDial: true,
		ListenAddr: "127.0.0.1:0", NetRestrict: restrict, Logger: log.NewLogger(log.DiscardHandler()),
		Protocols: []p2p.Protocol{{Name: "bench", Version: 1, Length: benchLength, Run: handler}},
	}}
	return server, server.Start()
}

// dialServer connects to a node once.
func dialServer(server *p2p.Server, node *enode.Node) error {
	if !node.IPAddr().IsLoopback() {
		return fmt.Errorf("not on loopback: %s", node)
	}
	endpoint, _ := node.TCPEndpoint()
	conn, err := (&net.Dialer{Timeout: dialTimeout}).Dial("tcp", endpoint.String())
	if err != nil {
		return err
	}
	return server.SetupConn(conn, dialedConn, node)
}

func writeBytes(w p2p.MsgWriter, code uint64, data []byte) error {
	return w.WriteMsg(p2p.Msg{Code: code, Size: uint32(len(data)), Payload: bytes.NewReader(data)})
}

// tcpLink is two servers with one connection; what one sends the other reads and drops.
type tcpLink struct {
	sender   p2p.MsgWriter
	received chan int
	payload  []byte
}

func newTCPLink() *tcpLink {
	link := &tcpLink{received: make(chan int, 1024), payload: make([]byte, tcpMessageLength)}
	rand.New(rand.NewSource(1)).Read(link.payload)
	listener := must(startServer(1, func(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
		for {
			msg, err := rw.ReadMsg()
			if err != nil {
				return err
			}
			link.received <- int(msg.Size)
		}
	}))
	senders := make(chan p2p.MsgWriter)
	dialer := must(startServer(1, func(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
		senders <- rw
		select {} // the process ends with the connection open
	}))
	check(dialServer(dialer, listener.Self()))
	link.sender = <-senders
	return link
}

func (l *tcpLink) measure() float64 {
	start := time.Now()
	go func() {
		for range work.tcpMessages {
			check(writeBytes(l.sender, 0, l.payload))
		}
	}()
	for range work.tcpMessages {
		if <-l.received != tcpMessageLength {
			panic("a message came back wrong")
		}
	}
	return megabytes(work.tcpMessages, tcpMessageLength, time.Since(start))
}
