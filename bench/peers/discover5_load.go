package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
)

// discover5Load is the other side of a discovery v5 node under test.
type discover5Load struct {
	clients   []*v5Client
	answerers *v5Answerers
	flood     floodSlot
}

// runDiscover5Load takes these orders:
//
//	bond    `count` sockets, each with a session; addresses of `subnets` networks of /24
//	prepare `messages` new nodes of each socket
//	meet    each of them sets up a session and pings by it, one after the other at each socket
//	ping    `count` Pings by the session of the first socket, `gap` ms between them
//	await   `count` nodes that wait to be pinged; `met` ends them
//	flood   `rate` hostile packets a second of a `kind` (see v5Flood) from `count` sockets; `stop` ends it
//	cpu     what this process has used
func runDiscover5Load([]string) error {
	fileLimit()
	l := new(discover5Load)
	return serveOrders(fields{"ready": true}, l.handle)
}

func (l *discover5Load) handle(o *order) (fields, error) {
	switch o.Cmd {
	case "bond":
		return nil, l.bond(o)
	case "prepare":
		return nil, eachOf(l.clients, func(c *v5Client) error { return c.prepare(o.Messages) })
	case "meet":
		return l.meet()
	case "ping":
		return pingByFirst(l.clients, o)
	case "await":
		target, err := v5TargetOf(o)
		if err != nil {
			return nil, err
		}
		answerers, err := startV5Answerers(o.Count, target)
		if err != nil {
			return nil, err
		}
		l.answerers = answerers
		return fields{"records": answerers.records()}, nil
	case "met":
		return l.answerers.close()
	case "flood":
		target, err := v5TargetOf(o)
		if err != nil {
			return nil, err
		}
		maker, err := newV5Flood(target, o.Count)
		if err != nil {
			return nil, err
		}
		return nil, l.flood.begin(o, target.address, maker)
	case "stop":
		return l.flood.end()
	case "cpu":
		return fields{"seconds": cpuSeconds()}, nil
	}
	return unknownOrder(o)
}

func v5TargetOf(o *order) (*v5Target, error) {
	address, err := loopbackTarget(o.Port)
	if err != nil {
		return nil, err
	}
	raw, err := hex.DecodeString(o.ID)
	if err != nil {
		return nil, err
	}
	key, err := crypto.UnmarshalPubkey(append([]byte{4}, raw...))
	if err != nil {
		return nil, fmt.Errorf("not a public key: %q", o.ID)
	}
	return &v5Target{address: address, key: key, id: enode.PubkeyToIDV4(key)}, nil
}

func (l *discover5Load) bond(o *order) error {
	target, err := v5TargetOf(o)
	if err != nil {
		return err
	}
	for i := range o.Count {
		client, err := newV5Client(i, o.Subnets, target)
		if err != nil {
			return err
		}
		l.clients = append(l.clients, client)
		if err := client.bond(); err != nil {
			return err
		}
	}
	return nil
}

// meet gives how many sessions have come about, of how many, and how long it took.
func (l *discover5Load) meet() (fields, error) {
	wanted := 0
	for _, c := range l.clients {
		wanted += len(c.queue)
	}
	var met atomic.Int64
	start := time.Now()
	err := eachOf(l.clients, func(c *v5Client) error {
		count, err := c.meetAll()
		met.Add(int64(count))
		return err
	})
	return fields{"wanted": wanted, "met": met.Load(), "seconds": time.Since(start).Seconds()}, err
}

// eachOf runs something for all of them at the same time.
func eachOf[T any](all []T, run func(T) error) error {
	errs := make(chan error)
	for _, one := range all {
		go func() { errs <- run(one) }()
	}
	var joined error
	for range all {
		joined = errors.Join(joined, <-errs)
	}
	return joined
}
