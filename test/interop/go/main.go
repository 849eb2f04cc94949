// Command devp2p-peer is go-ethereum's side of peerlane's interoperability tests: its p2p.Server and its RLPx
// connection, driven by JSON lines on stdin and reported by JSON lines on stdout. It only ever uses loopback.
//
//	devp2p-peer listen      a p2p.Server with test protocols; dials on command
//	devp2p-peer rlpx-listen RLPx connections without a server above them, one after another
//	devp2p-peer rlpx-dial   one such connection, dialed
//	devp2p-peer eth         dials a node, exchanges eth Status, asks for headers and bodies, exits
//	devp2p-peer dns         makes and reads DNS node lists
//	devp2p-peer discover    discovery v4 nodes that take orders
//	devp2p-peer discover5   discovery v5 nodes that take orders, with v4 beside it if wanted
//	devp2p-peer network     p2p.Servers that find each other by discovery v4, v5 or both
//	devp2p-peer static      p2p.Servers that keep connected to whom they are told
package main

import (
	"crypto/ecdsa"
	"errors"
	"flag"
	"fmt"
	"iter"
	"net"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
)

func main() {
	modes := map[string]func(out *reporter, args []string) error{
		"listen":      runServer,
		"rlpx-listen": runRlpxListen,
		"rlpx-dial":   runRlpxDial,
		"eth":         runEth,
		"dns":         runDNS,
		"discover":    runDiscover,
		"discover5":   runDiscover5,
		"network":     runNetwork,
		"static":      runStatic,
	}
	if len(os.Args) < 2 || modes[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: devp2p-peer listen|rlpx-listen|rlpx-dial|eth|dns|discover|discover5|network|static [flags]")
		os.Exit(2)
	}
	out := newReporter(os.Stdout)
	if err := modes[os.Args[1]](out, os.Args[2:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			os.Exit(2)
		}
		out.report("fatal", fields{"error": err.Error()})
		os.Exit(1)
	}
}

// keyFlag makes the node key: 64 hexadecimal digits, or a fresh one.
func keyFlag(hexKey string) (*ecdsa.PrivateKey, error) {
	if hexKey == "" {
		return crypto.GenerateKey()
	}
	return crypto.HexToECDSA(strings.TrimPrefix(hexKey, "0x"))
}

// describeAll lists nodes by their numbers.
func describeAll[T interface{ describe() fields }](nodes iter.Seq[T]) []fields {
	all := []fields{}
	for n := range nodes {
		all = append(all, n.describe())
	}
	slices.SortFunc(all, func(a, b fields) int { return a["index"].(int) - b["index"].(int) })
	return all
}

// endAll ends all nodes at once: one by one, each would wait for what it is about.
func endAll[T any](nodes iter.Seq[T], end func(T)) {
	var ending sync.WaitGroup
	for n := range nodes {
		ending.Add(1)
		go func() {
			defer ending.Done()
			end(n)
		}()
	}
	ending.Wait()
}

func publicID(key *ecdsa.PublicKey) string {
	return fmt.Sprintf("%x", crypto.FromECDSAPub(key)[1:])
}

// loopbackNode reads an enode URL and refuses any that does not lead to loopback.
func loopbackNode(url string) (*enode.Node, error) {
	node, err := enode.ParseV4(url)
	if err != nil {
		return nil, err
	}
	if !node.IPAddr().IsLoopback() || node.TCP() == 0 {
		return nil, fmt.Errorf("not a loopback TCP endpoint: %s", url)
	}
	return node, nil
}

func dialNode(node *enode.Node) (net.Conn, error) {
	endpoint, _ := node.TCPEndpoint()
	return (&net.Dialer{Timeout: dialTimeout}).Dial("tcp", endpoint.String())
}
