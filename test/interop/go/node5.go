package main

import (
	"cmp"
	"crypto/ecdsa"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/ethereum/go-ethereum/p2p/netutil"
	"github.com/ethereum/go-ethereum/rlp"
)

// randomPatience is how long random nodes are waited for.
const randomPatience = 10 * time.Second

type discovery5Node struct {
	index int
	ip    net.IP
	db    *enode.DB
	local *enode.LocalNode
	conn  *movingConn
	udp   *discover.UDPv5
	v4    *discover.UDPv4 // nil without
	walk  walk
}

// newDiscovery5Node opens all that a node needs.
func newDiscovery5Node(key *ecdsa.PrivateKey, a *discover5Args) (*discovery5Node, error) {
	ip := net.ParseIP(cmp.Or(a.IP, "127.0.0.1"))
	if ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("not a loopback address: %q", a.IP)
	}
	socket, err := listenLoopback(ip, a.Port)
	if err != nil {
		return nil, err
	}
	db, err := enode.OpenDB("")
	if err != nil {
		socket.Close()
		return nil, err
	}
	n := &discovery5Node{ip: ip, db: db, local: enode.NewLocalNode(db, key), conn: &movingConn{socket: socket}}
	if !a.Hidden {
		// As p2p.Server does it: the endpoint stays open to prediction.
		n.local.SetFallbackIP(ip)
		n.local.SetFallbackUDP(n.conn.port())
	}
	if err := n.set(a.Entries); err != nil {
		socket.Close()
		db.Close()
		return nil, err
	}
	return n, nil
}

// listen starts discovery; with v4, as p2p.Server has both on one socket.
func (n *discovery5Node) listen(config discover.Config, both bool) (err error) {
	var conn discover.UDPConn = n.conn
	if both {
		unhandled := make(chan discover.ReadPacket, unhandledBacklog)
		conn = &secondConn{movingConn: n.conn, unhandled: unhandled}
		v4 := config
		v4.Unhandled = unhandled
		if n.v4, err = discover.ListenV4(n.conn, n.local, v4); err != nil {
			return err
		}
	}
	n.udp, err = discover.ListenV5(conn, n.local, config)
	if err != nil && n.v4 != nil {
		n.v4.Close()
	}
	return err
}

// ask has a node ask another one.
func (n *discovery5Node) ask(cmd string, remote *enode.Node, a *discover5Args) (fields, error) {
	switch cmd {
	case "ping":
		pong, err := n.udp.Ping(remote)
		if err != nil {
			return nil, err
		}
		to := netip.AddrPortFrom(netutil.IPToAddr(pong.ToIP), pong.ToPort)
		return fields{"to": to.String(), "seq": pong.ENRSeq}, nil
	case "findNode":
		found, err := n.udp.Findnode(remote, a.Distances)
		if err != nil {
			return nil, err
		}
		return fields{"nodes": describeNodes(found)}, nil
	case "resolve":
		return fields{"node": describeNode(n.udp.Resolve(remote))}, nil
	case "talk":
		data, err := hex.DecodeString(a.Data)
		if err != nil {
			return nil, err
		}
		answer, err := n.udp.TalkRequest(remote, a.Protocol, data)
		if err != nil {
			return nil, err
		}
		return fields{"data": hex.EncodeToString(answer)}, nil
	case "v4Ping":
		if n.v4 == nil {
			return nil, errors.New("the node has no discovery v4")
		}
		pong, err := n.v4.Ping(remote)
		if err != nil {
			return nil, err
		}
		return fields{"seq": pong.ENRSeq}, nil
	}
	return nil, fmt.Errorf("unknown command %q", cmd)
}

// set changes entries of the record. Those of the endpoint are for the node itself to set.
func (n *discovery5Node) set(entries map[string]json.RawMessage) error {
	for name, raw := range entries {
		var value *string
		if err := json.Unmarshal(raw, &value); err != nil {
			return err
		}
		if value == nil {
			n.local.Delete(enr.WithEntry(name, nil))
			continue
		}
		encoded, err := hex.DecodeString(*value)
		if err != nil {
			return err
		}
		if _, _, rest, err := rlp.Split(encoded); err != nil || len(rest) > 0 {
			return fmt.Errorf("the entry %q is not RLP", name)
		}
		n.local.Set(enr.WithEntry(name, rlp.RawValue(encoded)))
	}
	return nil
}

// move gives the node another port, under discovery that runs on and keeps its sessions.
func (n *discovery5Node) move(a *discover5Args) (fields, error) {
	socket, err := listenLoopback(n.ip, a.Port)
	if err != nil {
		return nil, err
	}
	if err := n.conn.move(socket); err != nil {
		return nil, err
	}
	if !a.Silent {
		n.local.SetFallbackUDP(n.conn.port())
	}
	return fields{"node": n.describe(), "port": n.conn.port()}, nil
}

// random gives different nodes, as many as are wanted or as come in time.
func (n *discovery5Node) random(wanted int) []*enode.Node {
	nodes := n.udp.RandomNodes()
	timer := time.AfterFunc(randomPatience, nodes.Close)
	defer timer.Stop()
	defer nodes.Close()
	found := make(map[enode.ID]*enode.Node)
	for len(found) < wanted && nodes.Next() {
		found[nodes.Node().ID()] = nodes.Node()
	}
	return slices.Collect(maps.Values(found))
}

func (n *discovery5Node) close() {
	n.walk.end()
	// v4 has the socket, and v5 ends with what v4 hands on.
	if n.v4 != nil {
		n.v4.Close()
	}
	n.udp.Close()
	n.walk.wait()
	n.db.Close()
}

func (n *discovery5Node) describe() fields {
	details := describeNode(n.udp.Self())
	details["index"] = n.index
	return details
}

func describeNodes(nodes []*enode.Node) []fields {
	described := make([]fields, len(nodes))
	for i, node := range nodes {
		described[i] = describeNode(node)
	}
	return described
}
