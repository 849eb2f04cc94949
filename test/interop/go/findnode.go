package main

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"time"

	"github.com/ethereum/go-ethereum/p2p/discover/v4wire"
	"github.com/ethereum/go-ethereum/p2p/enode"
)

const (
	// neighborsWanted is how many nodes an answer to FindNode has, if whoever answers knows as many.
	neighborsWanted = 16
	// neighborsPatience is how long the rest of an answer is waited for.
	neighborsPatience = 2 * time.Second
)

// findNode asks one node for those that it knows closest to a target, and reports its answer as it came: go-ethereum
// itself only does so within a lookup, where the answers of others make up for a bad one. No lookup may be under way.
func (n *discoveryNode) findNode(remote *enode.Node, targetHex string) (fields, error) {
	request := v4wire.Findnode{Expiration: uint64(time.Now().Add(20 * time.Second).Unix())}
	target, err := hex.DecodeString(targetHex)
	if err != nil || len(target) != len(request.Target) {
		return nil, fmt.Errorf("not a target: %q", targetHex)
	}
	copy(request.Target[:], target)
	// Afterwards each has proved its endpoint to the other.
	if _, err := n.udp.RequestENR(remote); err != nil {
		return nil, err
	}
	endpoint, _ := remote.UDPEndpoint()
	answers := make(chan *v4wire.Neighbors, neighborsWanted)
	tap := func(packet []byte, from netip.AddrPort) {
		if netip.AddrPortFrom(from.Addr().Unmap(), from.Port()) != endpoint {
			return
		}
		if decoded, _, _, err := v4wire.Decode(packet); err == nil {
			if answer, ok := decoded.(*v4wire.Neighbors); ok {
				select {
				case answers <- answer:
				default:
				}
			}
		}
	}
	if !n.conn.tap.CompareAndSwap(nil, &tap) {
		return nil, fmt.Errorf("node %d is asking already", n.index)
	}
	defer n.conn.tap.Store(nil)
	packet, _, err := v4wire.Encode(n.key, &request)
	if err != nil {
		return nil, err
	}
	if _, err := n.conn.WriteToUDPAddrPort(packet, endpoint); err != nil {
		return nil, err
	}
	ids := []string{}
	for timeout := time.After(neighborsPatience); len(ids) < neighborsWanted; {
		select {
		case answer := <-answers:
			for _, node := range answer.Nodes {
				ids = append(ids, node.ID.ID().String())
			}
		case <-timeout:
			return fields{"ids": ids}, nil
		}
	}
	return fields{"ids": ids}, nil
}
