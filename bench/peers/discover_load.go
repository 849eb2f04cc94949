package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/discover/v4wire"
)

const (
	// replyTimeout is go-ethereum's: what comes later does not count.
	replyTimeout = 500 * time.Millisecond
	// paceInterval is how often packets that are due are sent.
	paceInterval = time.Millisecond
	// maxBehind bounds the burst after a moment in which this process did not run.
	maxBehind = 20 * time.Millisecond
)

// discoverLoad is the other side of a discovery node under test: nodes that it knows, with an endpoint proof each,
// and beside them, if told so, a flood.
type discoverLoad struct {
	target  netip.AddrPort
	clients []*discoverClient
	flood   floodSlot
}

// runDiscoverLoad takes these orders:
//
//	bond   `count` nodes, a socket and a key each, prove their endpoints; addresses of `subnets` networks of /24
//	sign   each makes `messages` Pings, all different
//	pings  sends those: `rate` a second in all, or with `parallel` of each client on the way at any time
//	ping   `count` Pings of the first client, one after the other, `gap` ms between them
//	flood  `rate` hostile packets a second of a `kind` (see v4Flood) from `count` sockets; `stop` ends it
//	cpu    what this process has used
//	close  ends the clients
func runDiscoverLoad([]string) error {
	fileLimit()
	l := new(discoverLoad)
	return serveOrders(fields{"ready": true}, l.handle)
}

func (l *discoverLoad) handle(o *order) (fields, error) {
	switch o.Cmd {
	case "bond":
		return nil, l.bond(o)
	case "sign":
		return nil, l.each(func(c *discoverClient) error { return c.sign(o.Messages) })
	case "pings":
		return l.pings(o)
	case "ping":
		return pingByFirst(l.clients, o)
	case "flood":
		target, err := loopbackTarget(o.Port)
		if err != nil {
			return nil, err
		}
		maker, err := newV4Flood(target)
		if err != nil {
			return nil, err
		}
		return nil, l.flood.begin(o, target, maker)
	case "stop":
		return l.flood.end()
	case "cpu":
		return fields{"seconds": cpuSeconds()}, nil
	case "close":
		for _, c := range l.clients {
			c.socket.Close()
		}
		l.clients = nil
		return nil, nil
	}
	return unknownOrder(o)
}

func (l *discoverLoad) each(run func(*discoverClient) error) error { return eachOf(l.clients, run) }

// pingByFirst has the first of the clients ping.
func pingByFirst[T interface {
	pingOften(count int, gap time.Duration) (fields, error)
}](clients []T, o *order) (fields, error) {
	if len(clients) == 0 {
		return nil, errors.New("there is no client")
	}
	return clients[0].pingOften(o.Count, time.Duration(o.Gap*float64(time.Millisecond)))
}

func loopbackTarget(port int) (netip.AddrPort, error) {
	if port <= 0 || port > 0xffff {
		return netip.AddrPort{}, fmt.Errorf("port %d", port)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port)), nil
}

// listenSpread gives the i-th of many sockets: on 127.0.0.1, or spread over networks of /24 in 127.`first`.0.0/16.
func listenSpread(i, subnets int, first byte) (*net.UDPConn, error) {
	ip := net.IPv4(127, 0, 0, 1)
	if subnets > 0 {
		ip = net.IPv4(127, first, byte(i%subnets), byte(1+i/subnets%250))
	}
	return net.ListenUDP("udp4", &net.UDPAddr{IP: ip})
}

// bond adds clients, one after the other, as go-ethereum's read loop would have it anyway.
func (l *discoverLoad) bond(o *order) error {
	target, err := loopbackTarget(o.Port)
	if err != nil {
		return err
	}
	var remote v4wire.Pubkey
	if raw, err := hex.DecodeString(o.ID); err != nil || copy(remote[:], raw) != len(remote) {
		return fmt.Errorf("not a public key: %q", o.ID)
	}
	for i := range o.Count {
		client, err := newDiscoverClient(i, o.Subnets, target, remote)
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

// pings sends all that was signed, and gives how many Pongs came for them, and the times they took in ms.
func (l *discoverLoad) pings(o *order) (fields, error) {
	if o.Rate <= 0 && o.Parallel <= 0 {
		return nil, errors.New("pings need a rate, or how many are on the way at a time")
	}
	var signed int
	runs := make([]*pingRun, len(l.clients))
	for i, c := range l.clients {
		runs[i] = c.begin(c.signed, o.Rate <= 0)
		signed += len(c.signed)
		c.signed = nil
	}
	start := time.Now()
	if o.Rate > 0 {
		sendPaced(runs, o.Rate, signed)
	} else if err := l.each(func(c *discoverClient) error {
		return c.run.Load().complete(o.Parallel, replyTimeout)
	}); err != nil {
		return nil, err
	}
	var times []float64
	last := start
	for _, run := range runs {
		runTimes, runLast := run.results()
		times = append(times, runTimes...)
		if runLast.After(last) {
			last = runLast
		}
	}
	slices.Sort(times)
	// The wait for those that are lost does not count.
	seconds := last.Sub(start).Seconds()
	return fields{
		"sent": signed, "answered": len(times), "seconds": seconds,
		"p50": percentile(times, 0.5), "p99": percentile(times, 0.99), "max": percentile(times, 1),
	}, nil
}

// sendPaced lets the clients send in turn, as many packets a second as told.
func sendPaced(runs []*pingRun, rate float64, count int) {
	pace(rate, nil, func(i int) bool {
		if i < count {
			// What the system cannot send is not answered either.
			runs[i%len(runs)].next()
		}
		return i+1 < count
	})
	time.Sleep(replyTimeout)
}

// pace calls `send` as often a second as told, until it gives false or `stop` is closed.
func pace(rate float64, stop <-chan struct{}, send func(i int) bool) {
	ticker := time.NewTicker(paceInterval)
	defer ticker.Stop()
	start := time.Now()
	for i := 0; ; {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		due := time.Since(start).Seconds()*rate - float64(i)
		if behind := due - rate*maxBehind.Seconds(); behind > 0 {
			start = start.Add(time.Duration(behind / rate * float64(time.Second)))
			due -= behind
		}
		for ; due >= 1; due-- {
			if !send(i) {
				return
			}
			i++
		}
	}
}

func percentile(sorted []float64, share float64) any {
	if len(sorted) == 0 {
		return nil
	}
	return sorted[max(0, int(float64(len(sorted))*share+0.999999)-1)]
}
