package main

import (
	"context"
	"crypto/ecdsa"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/ethereum/go-ethereum/p2p/netutil"
)

// loopbackNet is all that any node here is allowed to hear of.
const loopbackNet = "127.0.0.0/8"

// discoverArgs is what the commands of `devp2p-peer discover` take in `args`.
type discoverArgs struct {
	Node   int    `json:"node"`   // which node a command is for: its index
	Record string `json:"record"` // ping, requestENR, resolve, findNode, stored: an ENR or an enode URL
	Target string `json:"target"` // lookup, findNode: a public key, 64 bytes in hexadecimal; any 64 bytes will do

	// start
	Count       int      `json:"count"`       // so many nodes; default one
	Key         string   `json:"key"`         // of a single node; default a fresh one
	IP          string   `json:"ip"`          // default 127.0.0.1
	Port        int      `json:"port"`        // of a single node; default any
	TCP         int      `json:"tcp"`         // the TCP port in the records; default none
	DB          string   `json:"db"`          // folder of a single node's database; default in memory
	Bootnodes   []string `json:"bootnodes"`   // ENRs or enode URLs
	PingMs      int      `json:"pingMs"`      // mean pace of liveness checks, twice over; default go-ethereum's 3 s
	RefreshMs   int      `json:"refreshMs"`   // between table refreshes; default go-ethereum's 30 min
	LookupMs    int      `json:"lookupMs"`    // between lookups of random targets; default none are made
	AnyNeighbor bool     `json:"anyNeighbor"` // FindNode is answered with nodes not yet checked, too

	// usage
	GC bool `json:"gc"` // collect garbage and give memory back first
}

// discovery runs go-ethereum's discovery v4: many nodes in one process, each with a socket of its own.
type discovery struct {
	logger   log.Logger
	restrict *netutil.Netlist
	mu       sync.Mutex
	nodes    map[int]*discoveryNode
	next     int
	counts   packetCounter
}

type discoveryNode struct {
	index int
	db    *enode.DB
	udp   *discover.UDPv4
	conn  *countedConn
	key   *ecdsa.PrivateKey
	walk  walk
}

// runDiscover takes these commands, each with its `args` (see discoverArgs):
//
//	start       new nodes                         nodes      those that run
//	lookup      the nodes closest to a target     resolve    the newest record of a node, by all means
//	requestENR  the record of a node, from it     ping       the Pong of a node
//	table       what is in a node's buckets       tables     how much is in those of each
//	close       ends a node                       counts     packets by kind, of all that ever ran
//	usage       CPU time of the process           rest       no node looks up anything at random any more
//	stored      what the database has of a node   findNode   the Neighbors of a node, asked once and alone
func runDiscover(out *reporter, args []string) error {
	set := flag.NewFlagSet("discover", flag.ContinueOnError)
	logs := set.Bool("log", false, "report go-ethereum's log as `log` events")
	restrict, err := parseLocal(set, args)
	if err != nil {
		return err
	}
	d := &discovery{
		logger:   log.NewLogger(log.DiscardHandler()),
		restrict: restrict,
		nodes:    make(map[int]*discoveryNode),
	}
	if *logs {
		d.logger = log.NewLogger(&logEvents{out: out})
	}
	out.report("ready", nil)
	err = serveCommands(os.Stdin, out, func(c *command) (fields, error) {
		var a discoverArgs
		if len(c.Args) > 0 {
			if err := json.Unmarshal(c.Args, &a); err != nil {
				return nil, err
			}
		}
		return d.handle(c.Cmd, &a)
	})
	d.closeAll()
	return err
}

// parseLocal reads the flags of a mode whose nodes keep to loopback; it gives what they may hear of.
func parseLocal(set *flag.FlagSet, args []string) (*netutil.Netlist, error) {
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	forbidDNS()
	return netutil.ParseNetlist(loopbackNet)
}

// forbidDNS keeps go-ethereum from asking a public time server, as it does when 33 replies in a row are late.
func forbidDNS() {
	net.DefaultResolver = &net.Resolver{
		PreferGo: true,
		Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("there is no DNS here")
		},
	}
}

func (d *discovery) handle(cmd string, a *discoverArgs) (fields, error) {
	switch cmd {
	case "start":
		return d.start(a)
	case "nodes":
		return fields{"nodes": d.list()}, nil
	case "tables":
		return fields{"tables": d.tables()}, nil
	case "rest":
		d.rest()
		return nil, nil
	case "counts":
		return d.counts.report(), nil
	case "usage":
		return usage(a.GC)
	}
	n, err := d.node(a.Node)
	if err != nil {
		return nil, err
	}
	switch cmd {
	case "lookup":
		target, err := targetKey(a.Target)
		if err != nil {
			return nil, err
		}
		found := n.udp.LookupPubkey(target)
		nodes := make([]fields, len(found))
		for i, f := range found {
			nodes[i] = describeNode(f)
		}
		return fields{"nodes": nodes}, nil
	case "table":
		return fields{"nodes": n.table()}, nil
	case "close":
		d.mu.Lock()
		delete(d.nodes, n.index)
		d.mu.Unlock()
		n.close()
		return nil, nil
	}
	remote, err := loopbackUDPNode(a.Record)
	if err != nil {
		return nil, err
	}
	switch cmd {
	case "requestENR":
		fetched, err := n.udp.RequestENR(remote)
		if err != nil {
			return nil, err
		}
		return fields{"node": describeNode(fetched)}, nil
	case "findNode":
		return n.findNode(remote, a.Target)
	case "stored":
		return n.stored(remote), nil
	case "resolve":
		return fields{"node": describeNode(n.udp.Resolve(remote))}, nil
	case "ping":
		pong, err := n.udp.Ping(remote)
		if err != nil {
			return nil, err
		}
		to := netip.AddrPortFrom(netutil.IPToAddr(pong.To.IP), pong.To.UDP)
		return fields{"to": to.String(), "seq": pong.ENRSeq}, nil
	}
	return nil, fmt.Errorf("unknown command %q", cmd)
}

func (d *discovery) start(a *discoverArgs) (fields, error) {
	count := max(1, a.Count)
	if count > 1 && (a.Key != "" || a.Port != 0 || a.DB != "") {
		return nil, errors.New("a key, a port and a database are a single node's")
	}
	bootnodes := make([]*enode.Node, len(a.Bootnodes))
	for i, text := range a.Bootnodes {
		node, err := loopbackUDPNode(text)
		if err != nil {
			return nil, err
		}
		bootnodes[i] = node
	}
	started := make([]fields, 0, count)
	for range count {
		n, err := d.startOne(a, bootnodes)
		if err != nil {
			return nil, err
		}
		started = append(started, n.describe())
	}
	return fields{"nodes": started}, nil
}

func (d *discovery) startOne(a *discoverArgs, bootnodes []*enode.Node) (*discoveryNode, error) {
	key, err := keyFlag(a.Key)
	if err != nil {
		return nil, err
	}
	ip := net.IPv4(127, 0, 0, 1)
	if a.IP != "" {
		if ip = net.ParseIP(a.IP); ip == nil || !ip.IsLoopback() {
			return nil, fmt.Errorf("not a loopback address: %q", a.IP)
		}
	}
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: ip, Port: a.Port})
	if err != nil {
		return nil, err
	}
	db, err := enode.OpenDB(a.DB)
	if err != nil {
		socket.Close()
		return nil, err
	}
	local := enode.NewLocalNode(db, key)
	// As p2p.Server does it: the endpoint stays open to prediction.
	local.SetFallbackIP(ip)
	local.SetFallbackUDP(socket.LocalAddr().(*net.UDPAddr).Port)
	if a.TCP != 0 {
		local.Set(enr.TCP(a.TCP))
	}
	conn := &countedConn{UDPConn: socket, counts: &d.counts}
	n := &discoveryNode{db: db, conn: conn, key: key}
	n.udp, err = discover.ListenV4(conn, local, discover.Config{
		PrivateKey:              key,
		NetRestrict:             d.restrict,
		Bootnodes:               bootnodes,
		PingInterval:            time.Duration(a.PingMs) * time.Millisecond,
		RefreshInterval:         time.Duration(a.RefreshMs) * time.Millisecond,
		NoFindnodeLivenessCheck: a.AnyNeighbor,
		Log:                     d.logger,
	})
	if err != nil {
		socket.Close()
		db.Close()
		return nil, err
	}
	d.mu.Lock()
	n.index = d.next
	d.next++
	d.nodes[n.index] = n
	d.mu.Unlock()
	if a.LookupMs > 0 {
		n.walk.begin(time.Duration(a.LookupMs)*time.Millisecond, func() {
			if key, err := crypto.GenerateKey(); err == nil {
				n.udp.LookupPubkey(&key.PublicKey)
			}
		})
	}
	return n, nil
}

func (d *discovery) node(index int) (*discoveryNode, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := d.nodes[index]; n != nil {
		return n, nil
	}
	return nil, fmt.Errorf("there is no node %d", index)
}

func (d *discovery) list() []fields {
	d.mu.Lock()
	defer d.mu.Unlock()
	return describeAll(maps.Values(d.nodes))
}

// tables only counts, so that it can be asked often of many nodes without a cost that shows.
func (d *discovery) tables() []fields {
	d.mu.Lock()
	defer d.mu.Unlock()
	tables := make([]fields, 0, len(d.nodes))
	for _, n := range d.nodes {
		tables = append(tables, tableSize(n.index, n.udp.TableBuckets()))
	}
	return tables
}

func (d *discovery) closeAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	endAll(maps.Values(d.nodes), (*discoveryNode).close)
}

// rest waits for the lookups that are under way.
func (d *discovery) rest() {
	d.mu.Lock()
	defer d.mu.Unlock()
	walks := make([]*walk, 0, len(d.nodes))
	for _, n := range d.nodes {
		walks = append(walks, &n.walk)
	}
	restAll(walks)
}

func (n *discoveryNode) close() {
	n.walk.end()
	n.udp.Close()
	n.walk.wait()
	n.db.Close()
}

func (n *discoveryNode) describe() fields {
	details := describeNode(n.udp.Self())
	details["index"] = n.index
	return details
}

// table lists the buckets' entries; `distance` is the log-distance, and go-ethereum keeps all below 240 together.
func (n *discoveryNode) table() []fields {
	self := n.udp.Self().ID()
	nodes := []fields{}
	for _, bucket := range n.udp.TableBuckets() {
		for _, entry := range bucket {
			details := describeNode(entry.Node)
			details["distance"] = enode.LogDist(self, entry.Node.ID())
			details["live"], details["checks"] = entry.Live, entry.Checks
			nodes = append(nodes, details)
		}
	}
	return nodes
}

// stored is what the database has: the node, and when it last answered a Ping at the address that was given.
func (n *discoveryNode) stored(remote *enode.Node) fields {
	found := fields{"stored": nil, "pongAt": n.db.LastPongReceived(remote.ID(), remote.IPAddr()).UnixMilli()}
	if node := n.db.Node(remote.ID()); node != nil {
		found["stored"] = describeNode(node)
	}
	return found
}

// describeNode gives what is known of a node. Neighbors carries no records: a node heard of there has no `enr`.
func describeNode(node *enode.Node) fields {
	details := fields{"id": node.ID().String(), "enode": node.URLv4(), "seq": node.Seq(), "enr": nil}
	if text := node.String(); strings.HasPrefix(text, "enr:") {
		details["enr"] = text
	}
	return details
}

// loopbackUDPNode reads an ENR or an enode URL and refuses any that does not lead to loopback.
func loopbackUDPNode(text string) (*enode.Node, error) {
	node, err := enode.Parse(enode.ValidSchemes, text)
	if err != nil {
		return nil, err
	}
	if endpoint, ok := node.UDPEndpoint(); !ok || !endpoint.Addr().IsLoopback() {
		return nil, fmt.Errorf("not a loopback UDP endpoint: %s", text)
	}
	return node, nil
}

// targetKey does not ask for a point of the curve: a target is only ever hashed.
func targetKey(text string) (*ecdsa.PublicKey, error) {
	raw, err := hex.DecodeString(text)
	if err != nil {
		return nil, err
	}
	if len(raw) != 64 {
		return nil, fmt.Errorf("a target of %d bytes", len(raw))
	}
	return &ecdsa.PublicKey{
		Curve: crypto.S256(), X: new(big.Int).SetBytes(raw[:32]), Y: new(big.Int).SetBytes(raw[32:]),
	}, nil
}

// usage is the CPU time that this process has used so far.
func usage(collect bool) (fields, error) {
	if collect {
		runtime.GC()
		debug.FreeOSMemory()
	}
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return nil, err
	}
	return fields{"cpuSeconds": float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9}, nil
}
