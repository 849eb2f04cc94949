package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/event"
	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/netutil"
)

// staticArgs is what `start` and `add` of `devp2p-peer static` take in `args`.
type staticArgs struct {
	Count int `json:"count"` // start: how many nodes
	Adds  []struct {
		Node  int    `json:"node"`  // which of them, by its place in what `start` gave
		Enode string `json:"enode"` // whom it is to stay connected to
	} `json:"adds"`
}

// staticNode is a p2p.Server that dials whom it is told to, and no others.
type staticNode struct {
	server *p2p.Server
	sub    event.Subscription
	added  atomic.Int64
}

// runStatic takes these commands:
//
//	start  new nodes; gives their enode URLs
//	add    static nodes for them, all at once
//	look   the connections of each node, and how many it has had
func runStatic(out *reporter, args []string) error {
	set := flag.NewFlagSet("static", flag.ContinueOnError)
	restrict, err := parseLocal(set, args)
	if err != nil {
		return err
	}
	var nodes []*staticNode
	out.report("ready", nil)
	err = serveCommands(os.Stdin, out, func(c *command) (fields, error) {
		var a staticArgs
		if len(c.Args) > 0 {
			if err := json.Unmarshal(c.Args, &a); err != nil {
				return nil, err
			}
		}
		switch c.Cmd {
		case "start":
			enodes := make([]string, a.Count)
			for i := range enodes {
				node, err := startStatic(restrict)
				if err != nil {
					return nil, err
				}
				nodes = append(nodes, node)
				enodes[i] = node.server.Self().URLv4()
			}
			return fields{"enodes": enodes}, nil
		case "add":
			return nil, addStatic(nodes, &a)
		case "look":
			looks := make([]fields, len(nodes))
			for i, node := range nodes {
				looks[i] = node.look()
			}
			return fields{"nodes": looks}, nil
		}
		return nil, fmt.Errorf("unknown command %q", c.Cmd)
	})
	endAll(slices.Values(nodes), func(node *staticNode) {
		node.server.Stop()
		node.sub.Unsubscribe()
	})
	return err
}

func startStatic(restrict *netutil.Netlist) (*staticNode, error) {
	key, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	node := &staticNode{server: &p2p.Server{Config: p2p.Config{
		PrivateKey:  key,
		Name:        "devp2p-peer",
		MaxPeers:    10,
		NoDiscovery: true,
		ListenAddr:  "127.0.0.1:0",
		NetRestrict: restrict,
		Protocols:   []p2p.Protocol{{Name: "echo", Version: 1, Length: 16, Run: keepReading}},
		Logger:      log.NewLogger(log.DiscardHandler()),
	}}}
	events := make(chan *p2p.PeerEvent, 64)
	node.sub = node.server.SubscribeEvents(events)
	go func() {
		for {
			select {
			case e := <-events:
				if e.Type == p2p.PeerEventTypeAdd {
					node.added.Add(1)
				}
			case <-node.sub.Err():
				return
			}
		}
	}()
	return node, node.server.Start()
}

func addStatic(nodes []*staticNode, a *staticArgs) error {
	for _, add := range a.Adds {
		if add.Node < 0 || add.Node >= len(nodes) {
			return fmt.Errorf("there is no node %d", add.Node)
		}
		remote, err := loopbackNode(add.Enode)
		if err != nil {
			return err
		}
		nodes[add.Node].server.AddPeer(remote)
	}
	return nil
}

func (n *staticNode) look() fields {
	connections := []fields{}
	for _, peer := range n.server.Peers() {
		connections = append(connections, fields{
			"peer":       publicID(peer.Node().Pubkey()),
			"inbound":    peer.Inbound(),
			"localPort":  peer.LocalAddr().(*net.TCPAddr).Port,
			"remotePort": peer.RemoteAddr().(*net.TCPAddr).Port,
		})
	}
	return fields{"connections": connections, "added": n.added.Load()}
}
