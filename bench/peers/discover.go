package main

import (
	"context"
	"errors"
	"flag"
	"net"
	"runtime"
	"runtime/debug"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/netutil"
)

// loopbackNode is what a discovery node of go-ethereum needs.
type loopbackNode struct {
	socket *net.UDPConn
	local  *enode.LocalNode
	config discover.Config
}

func newLoopbackNode(name string, args []string) (*loopbackNode, error) {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	// When many replies are late, go-ethereum asks a public time server. Here it must not.
	net.DefaultResolver = &net.Resolver{
		PreferGo: true,
		Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("there is no DNS here")
		},
	}
	key, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	restrict, err := netutil.ParseNetlist("127.0.0.0/8")
	if err != nil {
		return nil, err
	}
	db, err := enode.OpenDB("")
	if err != nil {
		return nil, err
	}
	local := enode.NewLocalNode(db, key)
	local.SetStaticIP(net.IPv4(127, 0, 0, 1))
	local.SetFallbackUDP(socket.LocalAddr().(*net.UDPAddr).Port)
	return &loopbackNode{socket, local, discover.Config{PrivateKey: key, NetRestrict: restrict}}, nil
}

// serve takes orders, those that all nodes take and `more`.
func (n *loopbackNode) serve(more func(*order) (fields, error)) error {
	self := nodeReady(n.local.Node())
	self["port"] = n.local.Node().UDP()
	return serveOrders(self, func(o *order) (fields, error) {
		switch o.Cmd {
		case "cpu":
			return fields{"seconds": cpuSeconds()}, nil
		case "gc":
			runtime.GC()
			debug.FreeOSMemory()
			return nil, nil
		}
		return more(o)
	})
}

func unknownOrder(o *order) (fields, error) { return nil, errors.New("unknown order " + o.Cmd) }

// runDiscover is the process under test when discovery is compared: one UDPv4 node as a server has it.
func runDiscover(args []string) error {
	n, err := newLoopbackNode("discover", args)
	if err != nil {
		return err
	}
	if _, err := discover.ListenV4(n.socket, n.local, n.config); err != nil {
		return err
	}
	return n.serve(unknownOrder)
}
