package main

import (
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/enode"
)

// runDiscover5 is a discovery v5 node under test. `ping` has it ping `records`, `parallel` of them at a time.
func runDiscover5(args []string) error {
	n, err := newLoopbackNode("discover5", args)
	if err != nil {
		return err
	}
	udp, err := discover.ListenV5(n.socket, n.local, n.config)
	if err != nil {
		return err
	}
	return n.serve(func(o *order) (fields, error) {
		if o.Cmd == "ping" {
			return pingRecords(udp, o)
		}
		return unknownOrder(o)
	})
}

func pingRecords(udp *discover.UDPv5, o *order) (fields, error) {
	nodes := make(chan *enode.Node, len(o.Records))
	for _, text := range o.Records {
		node, err := enode.Parse(enode.ValidSchemes, text)
		if err != nil {
			return nil, err
		}
		nodes <- node
	}
	close(nodes)
	var answered atomic.Int64
	var workers sync.WaitGroup
	for range o.Parallel {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for node := range nodes {
				if _, err := udp.Ping(node); err == nil {
					answered.Add(1)
				}
			}
		}()
	}
	workers.Wait()
	return fields{"answered": answered.Load()}, nil
}
