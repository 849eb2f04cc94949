package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/nat"
	"github.com/ethereum/go-ethereum/p2p/netutil"
)

// networkArgs is what `start` of `devp2p-peer network` takes in `args`.
type networkArgs struct {
	IPs      []string `json:"ips"`      // a node on each of these loopback addresses, on a port of its own
	Bootnode string   `json:"bootnode"` // an enode URL or ENR: all that a node knows at first
	MaxPeers int      `json:"maxPeers"`
	Version  string   `json:"version"` // of discovery: v4, v5 or both; default v4
}

// network is whole nodes of go-ethereum: each a p2p.Server that finds its peers by discovery.
type network struct {
	restrict *netutil.Netlist
	mu       sync.Mutex
	servers  []*p2p.Server
}

// runNetwork takes these commands:
//
//	start   new nodes
//	peers   whom each node is connected to
func runNetwork(out *reporter, args []string) error {
	set := flag.NewFlagSet("network", flag.ContinueOnError)
	restrict, err := parseLocal(set, args)
	if err != nil {
		return err
	}
	n := &network{restrict: restrict}
	out.report("ready", nil)
	err = serveCommands(os.Stdin, out, func(c *command) (fields, error) {
		switch c.Cmd {
		case "start":
			var a networkArgs
			if err := json.Unmarshal(c.Args, &a); err != nil {
				return nil, err
			}
			return nil, n.start(&a)
		case "peers":
			return fields{"nodes": n.peers()}, nil
		}
		return nil, fmt.Errorf("unknown command %q", c.Cmd)
	})
	n.stop()
	return err
}

func (n *network) start(a *networkArgs) error {
	bootnode, err := loopbackUDPNode(a.Bootnode)
	if err != nil {
		return err
	}
	version := cmp.Or(a.Version, "v4")
	if !slices.Contains([]string{"v4", "v5", "both"}, version) {
		return fmt.Errorf("no version of discovery: %q", version)
	}
	for _, text := range a.IPs {
		ip := net.ParseIP(text)
		if ip == nil || !ip.IsLoopback() {
			return fmt.Errorf("not a loopback address: %q", text)
		}
		if err := n.startOne(ip, bootnode, a.MaxPeers, version); err != nil {
			return err
		}
	}
	return nil
}

func (n *network) startOne(ip net.IP, bootnode *enode.Node, maxPeers int, version string) error {
	key, err := crypto.GenerateKey()
	if err != nil {
		return err
	}
	server := &p2p.Server{Config: p2p.Config{
		PrivateKey:       key,
		Name:             "devp2p-peer",
		MaxPeers:         maxPeers,
		DiscoveryV4:      version != "v5",
		DiscoveryV5:      version != "v4",
		BootstrapNodes:   []*enode.Node{bootnode},
		BootstrapNodesV5: []*enode.Node{bootnode},
		ListenAddr:       net.JoinHostPort(ip.String(), "0"),
		NAT:              nat.ExtIP(ip),
		NetRestrict:      n.restrict,
		Protocols:        []p2p.Protocol{{Name: "echo", Version: 1, Length: 16, Run: keepReading}},
		Logger:           log.NewLogger(log.DiscardHandler()),
	}}
	if err := server.Start(); err != nil {
		return err
	}
	n.mu.Lock()
	n.servers = append(n.servers, server)
	n.mu.Unlock()
	return nil
}

func keepReading(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
	for {
		msg, err := rw.ReadMsg()
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, msg.Payload); err != nil {
			return errors.New("the payload is cut off")
		}
	}
}

func (n *network) peers() []fields {
	n.mu.Lock()
	defer n.mu.Unlock()
	nodes := make([]fields, len(n.servers))
	for i, server := range n.servers {
		dialed, inbound := []string{}, []string{}
		for _, peer := range server.Peers() {
			id := publicID(peer.Node().Pubkey())
			if peer.Inbound() {
				inbound = append(inbound, id)
			} else {
				dialed = append(dialed, id)
			}
		}
		nodes[i] = fields{"id": publicID(server.Self().Pubkey()), "dialed": dialed, "inbound": inbound}
	}
	return nodes
}

func (n *network) stop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	endAll(slices.Values(n.servers), (*p2p.Server).Stop)
}
