package main

import (
	"crypto/ecdsa"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/rlpx"
	"github.com/ethereum/go-ethereum/rlp"
)

// rawPeer is an RLPx connection without a server above it: frames as they are, in and out.
type rawPeer struct {
	out   *reporter
	key   *ecdsa.PrivateKey
	echo  bool
	hello bool
	mu    sync.Mutex // guards conn and writing
	conn  *rlpx.Conn
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

func rlpxFlags(name string, args []string) (p *rawPeer, to string, err error) {
	var (
		set    = flag.NewFlagSet(name, flag.ContinueOnError)
		hexKey = set.String("key", "", "static key, 64 hexadecimal digits; default a fresh one")
		echo   = set.Bool("echo", true, "send each frame back with the same code")
		hello  = set.Bool("hello", false, "exchange Hello (version 5, echo/1) first and then turn snappy on")
		target = set.String("enode", "", "rlpx-dial: the enode URL to dial")
	)
	if err := set.Parse(args); err != nil {
		return nil, "", err
	}
	key, err := keyFlag(*hexKey)
	return &rawPeer{key: key, echo: *echo, hello: *hello}, *target, err
}

func runRlpxListen(out *reporter, args []string) error {
	p, _, err := rlpxFlags("rlpx-listen", args)
	if err != nil {
		return err
	}
	p.out = out
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := listener.Addr().(*net.TCPAddr)
	node := enode.NewV4(&p.key.PublicKey, address.IP, address.Port, 0)
	out.report("listening", fields{"enode": node.URLv4(), "id": publicID(&p.key.PublicKey)})
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.serve(rlpx.NewConn(conn, nil))
		}
	}()
	defer listener.Close()
	return serveCommands(os.Stdin, out, p.handle)
}

func runRlpxDial(out *reporter, args []string) error {
	p, target, err := rlpxFlags("rlpx-dial", args)
	if err != nil {
		return err
	}
	p.out = out
	node, err := loopbackNode(target)
	if err != nil {
		return err
	}
	conn, err := dialNode(node)
	if err != nil {
		return err
	}
	go p.serve(rlpx.NewConn(conn, node.Pubkey()))
	return serveCommands(os.Stdin, out, p.handle)
}

// serve runs a connection to its end: handshake, Hello if asked for, frames.
func (p *rawPeer) serve(conn *rlpx.Conn) {
	defer conn.Close()
	remote, err := conn.Handshake(p.key)
	if err != nil {
		p.out.report("closed", fields{"error": "handshake: " + err.Error()})
		return
	}
	p.out.report("handshake", fields{"peer": publicID(remote)})
	if p.hello {
		if err := p.exchangeHello(conn); err != nil {
			p.out.report("closed", fields{"error": "hello: " + err.Error()})
			return
		}
	}
	p.mu.Lock()
	p.conn = conn
	p.mu.Unlock()
	p.out.report("ready", nil)
	err = p.readFrames(conn)
	p.mu.Lock()
	p.conn = nil
	p.mu.Unlock()
	p.out.report("closed", fields{"error": err.Error()})
}

func (p *rawPeer) exchangeHello(conn *rlpx.Conn) error {
	ours, err := rlp.EncodeToBytes(&helloMessage{
		Version: 5, Name: "devp2p-peer-rlpx", Caps: []p2p.Cap{{Name: "echo", Version: 1}},
		ID: crypto.FromECDSAPub(&p.key.PublicKey)[1:],
	})
	if err != nil {
		return err
	}
	if _, err := conn.Write(0, ours); err != nil {
		return err
	}
	code, data, _, err := conn.Read()
	if err != nil {
		return err
	}
	if code != 0 {
		return fmt.Errorf("message %d (%x) in place of Hello", code, data)
	}
	var theirs helloMessage
	if err := rlp.DecodeBytes(data, &theirs); err != nil {
		return err
	}
	caps := make([]string, 0, len(theirs.Caps))
	for _, c := range theirs.Caps {
		caps = append(caps, c.String())
	}
	p.out.report("hello", fields{
		"version": theirs.Version, "name": theirs.Name, "caps": caps, "port": theirs.ListenPort,
		"peer": fmt.Sprintf("%x", theirs.ID),
	})
	conn.SetSnappy(theirs.Version >= 5)
	return nil
}

func (p *rawPeer) readFrames(conn *rlpx.Conn) error {
	for {
		code, data, wireSize, err := conn.Read()
		if err != nil {
			return err
		}
		details := describe(code, data)
		details["wireSize"] = wireSize
		p.out.report("frame", details)
		if p.echo {
			if err := p.write(conn, code, data); err != nil {
				return err
			}
		}
	}
}

func (p *rawPeer) write(conn *rlpx.Conn, code uint64, data []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := conn.Write(code, data)
	return err
}

func (p *rawPeer) handle(c *command) (fields, error) {
	p.mu.Lock()
	conn := p.conn
	p.mu.Unlock()
	if conn == nil {
		return nil, errors.New("no connection is ready")
	}
	switch c.Cmd {
	case "send":
		data, err := c.payload()
		if err != nil {
			return nil, err
		}
		return describe(c.Code, data), p.write(conn, c.Code, data)
	case "close":
		return nil, conn.Close()
	}
	return nil, fmt.Errorf("unknown command %q", c.Cmd)
}
