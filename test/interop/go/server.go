package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/netutil"
)

const (
	dialTimeout = 15 * time.Second
	// dialedConn is the flag of a dialed connection in p2p.Server.SetupConn, whose type has no exported name.
	dialedConn = 1
	// echoBacklog bounds the messages that wait to be echoed to one peer; a full one stops the reading.
	echoBacklog = 256
)

// server runs a p2p.Server whose protocols report what they receive and, unless told otherwise, send it back.
type server struct {
	out   *reporter
	echo  bool
	p2p   *p2p.Server
	mu    sync.Mutex
	peers map[string]*runningPeer
}

// runningPeer is a connected peer: a writer for each protocol that runs on it.
type runningPeer struct {
	peer    *p2p.Peer
	writers map[string]p2p.MsgReadWriter
	order   []string
	// kicked is set once a disconnect was asked for on this side.
	kicked bool
}

type protocolList []p2p.Protocol

func (l *protocolList) String() string { return "" }

// Set reads `name/version:length`.
func (l *protocolList) Set(text string) error {
	name, rest, ok := strings.Cut(text, "/")
	version, length, ok2 := strings.Cut(rest, ":")
	v, err := strconv.ParseUint(version, 10, 32)
	n, err2 := strconv.ParseUint(length, 10, 32)
	if !ok || !ok2 || err != nil || err2 != nil {
		return fmt.Errorf("want name/version:length, have %q", text)
	}
	*l = append(*l, p2p.Protocol{Name: name, Version: uint(v), Length: n})
	return nil
}

func runServer(out *reporter, args []string) error {
	var (
		protocols protocolList
		set       = flag.NewFlagSet("listen", flag.ContinueOnError)
		hexKey    = set.String("key", "", "node key, 64 hexadecimal digits; default a fresh one")
		name      = set.String("name", "devp2p-peer", "client name in Hello")
		maxPeers  = set.Int("maxpeers", 50, "peers at most")
		echo      = set.Bool("echo", true, "send each message back with the same code")
		logs      = set.Bool("log", false, "report go-ethereum's log as `log` events")
	)
	set.Var(&protocols, "protocol", "`name/version:length`, repeatable; default echo/1:16")
	if err := set.Parse(args); err != nil {
		return err
	}
	if len(protocols) == 0 {
		protocols.Set("echo/1:16")
	}
	key, err := keyFlag(*hexKey)
	if err != nil {
		return err
	}
	restrict, err := netutil.ParseNetlist("127.0.0.0/8")
	if err != nil {
		return err
	}
	s := &server{out: out, echo: *echo, peers: make(map[string]*runningPeer)}
	for i := range protocols {
		protocol := protocols[i]
		protocols[i].Run = func(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
			return s.runProtocol(protocol, peer, rw)
		}
	}
	logger := log.NewLogger(log.DiscardHandler())
	if *logs {
		logger = log.NewLogger(&logEvents{out: out})
	}
	s.p2p = &p2p.Server{Config: p2p.Config{
		PrivateKey:  key,
		Name:        *name,
		MaxPeers:    *maxPeers,
		NoDiscovery: true,
		NoDial:      true, // dials are made by the `dial` command, once each
		ListenAddr:  "127.0.0.1:0",
		NetRestrict: restrict,
		Protocols:   protocols,
		Logger:      logger,
	}}
	drops := make(chan *p2p.PeerEvent, 64)
	subscription := s.p2p.SubscribeEvents(drops)
	go s.watch(drops)
	if err := s.p2p.Start(); err != nil {
		return err
	}
	out.report("listening", fields{"enode": s.p2p.Self().URLv4(), "id": publicID(&key.PublicKey)})

	err = serveCommands(os.Stdin, out, s.handle)
	s.p2p.Stop()
	subscription.Unsubscribe()
	return err
}

// register notes a protocol that starts on a peer and reports the peer with its first one.
func (s *server) register(protocol p2p.Protocol, peer *p2p.Peer, rw p2p.MsgReadWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := publicID(peer.Node().Pubkey())
	running := s.peers[id]
	if running == nil || running.peer != peer {
		running = &runningPeer{peer: peer, writers: make(map[string]p2p.MsgReadWriter)}
		s.peers[id] = running
		caps := make([]string, 0, len(peer.Caps()))
		for _, c := range peer.Caps() {
			caps = append(caps, c.String())
		}
		s.out.report("connected", fields{
			"peer": id, "name": peer.Fullname(), "caps": caps, "inbound": peer.Inbound(),
			"remote": peer.RemoteAddr().String(),
		})
	}
	running.writers[protocol.Name] = rw
	running.order = append(running.order, protocol.Name)
	s.out.report("protocol", fields{"peer": id, "protocol": protocol.Name, "version": protocol.Version})
}

func (s *server) runProtocol(protocol p2p.Protocol, peer *p2p.Peer, rw p2p.MsgReadWriter) error {
	s.register(protocol, peer, rw)
	id := publicID(peer.Node().Pubkey())
	type message struct {
		code uint64
		data []byte
	}
	echoes := make(chan message, echoBacklog)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for m := range echoes {
			if writeBytes(rw, m.code, m.data) != nil {
				return
			}
		}
	}()
	defer close(echoes)
	for {
		msg, err := rw.ReadMsg()
		if err != nil {
			return err
		}
		data, err := io.ReadAll(msg.Payload)
		if err != nil {
			return err
		}
		details := describe(msg.Code, data)
		details["peer"], details["protocol"] = id, protocol.Name
		s.out.report("message", details)
		if s.echo {
			select {
			case echoes <- message{msg.Code, data}:
			case <-stopped:
				return io.EOF
			}
		}
	}
}

func writeBytes(w p2p.MsgWriter, code uint64, data []byte) error {
	return w.WriteMsg(p2p.Msg{Code: code, Size: uint32(len(data)), Payload: bytes.NewReader(data)})
}

// watch reports the end of connections. A reason is given when the error is a Disconnect reason: one that came
// from the peer, or one that this side sent (`local`, if a command asked for it).
func (s *server) watch(events <-chan *p2p.PeerEvent) {
	for event := range events {
		if event.Type != p2p.PeerEventTypeDrop {
			continue
		}
		details := fields{"error": event.Error, "reason": nil, "local": false, "peer": nil}
		for reason := p2p.DiscReason(0); reason <= p2p.DiscSubprotocolError; reason++ {
			if event.Error == reason.String() {
				details["reason"] = reason
			}
		}
		s.mu.Lock()
		for id, running := range s.peers {
			if running.peer.ID() == event.Peer && running.peer.RemoteAddr().String() == event.RemoteAddress {
				details["peer"], details["local"] = id, running.kicked
				delete(s.peers, id)
			}
		}
		s.mu.Unlock()
		s.out.report("disconnected", details)
	}
}

func (s *server) peer(id string) (*runningPeer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id != "" {
		if running := s.peers[strings.TrimPrefix(id, "0x")]; running != nil {
			return running, nil
		}
		return nil, errors.New("no such peer")
	}
	if len(s.peers) != 1 {
		return nil, fmt.Errorf("%d peers: say which", len(s.peers))
	}
	for _, running := range s.peers {
		return running, nil
	}
	return nil, nil
}

func (s *server) writer(running *runningPeer, protocol string) (p2p.MsgReadWriter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if protocol == "" {
		protocol = running.order[0]
	}
	if rw := running.writers[protocol]; rw != nil {
		return rw, nil
	}
	return nil, fmt.Errorf("protocol %q does not run", protocol)
}

func (s *server) handle(c *command) (fields, error) {
	switch c.Cmd {
	case "dial":
		node, err := loopbackNode(c.Enode)
		if err != nil {
			return nil, err
		}
		conn, err := dialNode(node)
		if err != nil {
			return nil, err
		}
		return nil, s.p2p.SetupConn(conn, dialedConn, node)
	case "send":
		data, err := c.payload()
		if err != nil {
			return nil, err
		}
		running, err := s.peer(c.Peer)
		if err != nil {
			return nil, err
		}
		rw, err := s.writer(running, c.Protocol)
		if err != nil {
			return nil, err
		}
		return describe(c.Code, data), writeBytes(rw, c.Code, data)
	case "disconnect":
		running, err := s.peer(c.Peer)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		running.kicked = true
		s.mu.Unlock()
		running.peer.Disconnect(p2p.DiscReason(c.Reason))
		return nil, nil
	}
	return nil, fmt.Errorf("unknown command %q", c.Cmd)
}

// logEvents turns go-ethereum's log records into `log` events: the only place where it says why it refused a
// connection that never became a peer.
type logEvents struct {
	out   *reporter
	attrs []slog.Attr
}

func (l *logEvents) Enabled(context.Context, slog.Level) bool { return true }

func (l *logEvents) Handle(_ context.Context, record slog.Record) error {
	attrs := fields{}
	note := func(a slog.Attr) bool {
		attrs[a.Key] = a.Value.String()
		return true
	}
	for _, a := range l.attrs {
		note(a)
	}
	record.Attrs(note)
	l.out.report("log", fields{"message": record.Message, "attrs": attrs})
	return nil
}

func (l *logEvents) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logEvents{out: l.out, attrs: append(append([]slog.Attr{}, l.attrs...), attrs...)}
}

func (l *logEvents) WithGroup(string) slog.Handler { return l }
