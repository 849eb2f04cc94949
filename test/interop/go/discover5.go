package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net"
	"os"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/netutil"
)

// loopbackNets is all that a node of either family may hear of, unless it is told to hear of less.
const loopbackNets = loopbackNet + ",::1/128"

// discover5Args is what the commands of `devp2p-peer discover5` take in `args`.
type discover5Args struct {
	Node      int    `json:"node"`      // which node a command is for: its index
	Record    string `json:"record"`    // ping, findNode, resolve, talk, v4Ping: an ENR
	Target    string `json:"target"`    // lookup: a node id, 32 bytes in hexadecimal
	Distances []uint `json:"distances"` // findNode
	Protocol  string `json:"protocol"`  // talk
	Data      string `json:"data"`      // talk: hexadecimal
	Count     int    `json:"count"`     // start: so many nodes, default one; random: so many at most

	// start, and of these `port` for move, too
	Key         string                     `json:"key"`         // of a single node; default a fresh one
	IP          string                     `json:"ip"`          // in 127.0.0.0/8, or ::1; default 127.0.0.1
	Port        int                        `json:"port"`        // of a single node; default any
	Bootnodes   []string                   `json:"bootnodes"`   // ENRs
	Entries     map[string]json.RawMessage `json:"entries"`     // start, update: RLP in hexadecimal, or null: none
	NetRestrict string                     `json:"netRestrict"` // CIDR masks; default loopback
	Talk        []string                   `json:"talk"`        // protocols whose requests are echoed; default "echo"
	V4          bool                       `json:"v4"`          // with discovery v4 on the same socket
	PingMs      int                        `json:"pingMs"`      // as in discoverArgs
	RefreshMs   int                        `json:"refreshMs"`   // as in discoverArgs
	ResponseMs  int                        `json:"responseMs"`  // how long an answer may take; default go-ethereum's 700 ms
	AnyNode     bool                       `json:"anyNode"`     // FindNode is answered with nodes not yet checked, too
	LookupMs    int                        `json:"lookupMs"`    // as in discoverArgs
	Hidden      bool                       `json:"hidden"`      // the record names no endpoint until others have told of one

	// move
	Silent bool `json:"silent"` // the record stays what it was

	// usage
	GC bool `json:"gc"` // as in discoverArgs
}

// discovery5 runs go-ethereum's discovery v5: many nodes in one process, each with a socket of its own.
type discovery5 struct {
	out    *reporter
	logger log.Logger
	mu     sync.Mutex
	nodes  map[int]*discovery5Node
	next   int
}

// runDiscover5 takes these commands, each with its `args` (see discover5Args):
//
//	start     new nodes                             nodes    those that run
//	ping      the Pong of a node                    findNode the Nodes of a node, asked once and alone
//	resolve   the newest record of a node           lookup   the nodes closest to a node id
//	random    nodes of lookups of random targets    table    what is in a node's buckets
//	talk      the TalkResp of a node                update   other entries in the own record
//	move      another port, with sessions kept      v4Ping   the Pong of discovery v4
//	close     ends a node                           usage    CPU time of the process
//	counts    packets of a node                     traffic  packets that all nodes have sent
//	tables    how much is in the buckets of each    rest     no node looks up anything at random any more
//
// A TalkReq that is echoed is reported as `talk`, with the id and the endpoint of the node that sent it.
func runDiscover5(out *reporter, args []string) error {
	set := flag.NewFlagSet("discover5", flag.ContinueOnError)
	logs := set.Bool("log", false, "report go-ethereum's log as `log` events")
	if _, err := parseLocal(set, args); err != nil {
		return err
	}
	d := &discovery5{out: out, logger: log.NewLogger(log.DiscardHandler()), nodes: make(map[int]*discovery5Node)}
	if *logs {
		d.logger = log.NewLogger(&logEvents{out: out})
	}
	out.report("ready", nil)
	err := serveCommands(os.Stdin, out, func(c *command) (fields, error) {
		var a discover5Args
		if len(c.Args) > 0 {
			if err := json.Unmarshal(c.Args, &a); err != nil {
				return nil, err
			}
		}
		return d.handle(c.Cmd, &a)
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	endAll(maps.Values(d.nodes), (*discovery5Node).close)
	return err
}

func (d *discovery5) handle(cmd string, a *discover5Args) (fields, error) {
	switch cmd {
	case "start":
		return d.start(a)
	case "nodes":
		return fields{"nodes": d.list()}, nil
	case "usage":
		return usage(a.GC)
	case "tables":
		return fields{"tables": d.tables()}, nil
	case "traffic":
		return fields{"traffic": d.traffic()}, nil
	case "rest":
		d.rest()
		return nil, nil
	}
	d.mu.Lock()
	n := d.nodes[a.Node]
	if cmd == "close" {
		delete(d.nodes, a.Node)
	}
	d.mu.Unlock()
	if n == nil {
		return nil, fmt.Errorf("there is no node %d", a.Node)
	}
	switch cmd {
	case "lookup":
		target, err := enode.ParseID(a.Target)
		if err != nil {
			return nil, err
		}
		return fields{"nodes": describeNodes(n.udp.Lookup(target))}, nil
	case "random":
		return fields{"nodes": describeNodes(n.random(a.Count))}, nil
	case "table":
		return fields{"nodes": describeNodes(n.udp.AllNodes())}, nil
	case "update":
		if err := n.set(a.Entries); err != nil {
			return nil, err
		}
		return fields{"node": n.describe()}, nil
	case "move":
		return n.move(a)
	case "counts":
		return fields{"received": n.conn.in.report(), "sent": n.conn.out.report()}, nil
	case "close":
		n.close()
		return nil, nil
	}
	remote, err := loopbackUDPNode(a.Record)
	if err != nil {
		return nil, err
	}
	return n.ask(cmd, remote, a)
}

func (d *discovery5) start(a *discover5Args) (fields, error) {
	count := max(1, a.Count)
	if count > 1 && (a.Key != "" || a.Port != 0) {
		return nil, errors.New("a key and a port are a single node's")
	}
	config := discover.Config{
		PingInterval:            time.Duration(a.PingMs) * time.Millisecond,
		RefreshInterval:         time.Duration(a.RefreshMs) * time.Millisecond,
		V5RespTimeout:           time.Duration(a.ResponseMs) * time.Millisecond,
		NoFindnodeLivenessCheck: a.AnyNode,
		Log:                     d.logger,
	}
	var err error
	if config.NetRestrict, err = netutil.ParseNetlist(cmp.Or(a.NetRestrict, loopbackNets)); err != nil {
		return nil, err
	}
	for _, text := range a.Bootnodes {
		node, err := loopbackUDPNode(text)
		if err != nil {
			return nil, err
		}
		config.Bootnodes = append(config.Bootnodes, node)
	}
	started := make([]fields, 0, count)
	for range count {
		key, err := keyFlag(a.Key)
		if err != nil {
			return nil, err
		}
		n, err := newDiscovery5Node(key, a)
		if err != nil {
			return nil, err
		}
		config.PrivateKey = key
		if err := n.listen(config, a.V4); err != nil {
			n.conn.Close()
			n.db.Close()
			return nil, err
		}
		d.add(n, a.Talk)
		if a.LookupMs > 0 {
			n.walk.begin(time.Duration(a.LookupMs)*time.Millisecond, func() { n.udp.Lookup(enode.ID(randomID())) })
		}
		started = append(started, n.describe())
	}
	return fields{"nodes": started}, nil
}

// add gives a node its index and its handlers.
func (d *discovery5) add(n *discovery5Node, talk []string) {
	d.mu.Lock()
	n.index = d.next
	d.next++
	d.nodes[n.index] = n
	d.mu.Unlock()
	if talk == nil {
		talk = []string{"echo"}
	}
	for _, protocol := range talk {
		n.udp.RegisterTalkHandler(protocol, func(from *enode.Node, addr *net.UDPAddr, request []byte) []byte {
			d.out.report("talk", fields{
				"node": n.index, "protocol": protocol, "from": from.ID().String(), "endpoint": addr.String(),
			})
			return request
		})
	}
}

func (d *discovery5) list() []fields {
	d.mu.Lock()
	defer d.mu.Unlock()
	return describeAll(maps.Values(d.nodes))
}

// tables counts, as those of discovery v4 do.
func (d *discovery5) tables() []fields {
	d.mu.Lock()
	defer d.mu.Unlock()
	tables := make([]fields, 0, len(d.nodes))
	for _, n := range d.nodes {
		tables = append(tables, tableSize(n.index, n.udp.Nodes()))
	}
	return tables
}

func (d *discovery5) traffic() fields {
	d.mu.Lock()
	defer d.mu.Unlock()
	packets, bytes := int64(0), int64(0)
	for _, n := range d.nodes {
		packets += n.conn.out.packets.Load()
		bytes += n.conn.out.bytes.Load()
	}
	return fields{"packets": packets, "bytes": bytes}
}

// rest waits for the lookups that are under way.
func (d *discovery5) rest() {
	d.mu.Lock()
	defer d.mu.Unlock()
	walks := make([]*walk, 0, len(d.nodes))
	for _, n := range d.nodes {
		walks = append(walks, &n.walk)
	}
	restAll(walks)
}
