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

// runDiscover is the process under test when discovery is compared: one UDPv4 node as a server has it.
func runDiscover(args []string) error {
	set := flag.NewFlagSet("discover", flag.ContinueOnError)
	if err := set.Parse(args); err != nil {
		return err
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
		return err
	}
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	restrict, err := netutil.ParseNetlist("127.0.0.0/8")
	if err != nil {
		return err
	}
	db, err := enode.OpenDB("")
	if err != nil {
		return err
	}
	local := enode.NewLocalNode(db, key)
	local.SetStaticIP(net.IPv4(127, 0, 0, 1))
	local.SetFallbackUDP(socket.LocalAddr().(*net.UDPAddr).Port)
	udp, err := discover.ListenV4(socket, local, discover.Config{PrivateKey: key, NetRestrict: restrict})
	if err != nil {
		return err
	}
	self := nodeReady(udp.Self())
	self["port"] = udp.Self().UDP()
	return serveOrders(self, func(o *order) (fields, error) {
		switch o.Cmd {
		case "cpu":
			return fields{"seconds": cpuSeconds()}, nil
		case "gc":
			runtime.GC()
			debug.FreeOSMemory()
			return nil, nil
		}
		return nil, errors.New("unknown order " + o.Cmd)
	})
}
