package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/p2p/dnsdisc"
	"github.com/ethereum/go-ethereum/p2p/enode"
)

// The rate of go-ethereum's client in tests, where all requests stay on this machine.
const dnsRateLimit = 1000

// runDNS is go-ethereum's DNS discovery:
//
//	dns make     a tree of the records and links on stdin, one a line, signed
//	dns sync     a whole tree, read from a DNS server
//	dns iterate  some nodes of a tree, in random order
func runDNS(out *reporter, args []string) error {
	modes := map[string]func(out *reporter, args []string) error{
		"make":    makeDNSTree,
		"sync":    syncDNSTree,
		"iterate": iterateDNSTree,
	}
	if len(args) == 0 || modes[args[0]] == nil {
		return errors.New("expected dns make|sync|iterate")
	}
	return modes[args[0]](out, args[1:])
}

func makeDNSTree(out *reporter, args []string) error {
	flags := flag.NewFlagSet("dns make", flag.ContinueOnError)
	hexKey := flags.String("key", "", "key that signs: 64 hexadecimal digits")
	domain := flags.String("domain", "", "name of the tree")
	seq := flags.Uint("seq", 1, "sequence number")
	if err := flags.Parse(args); err != nil {
		return err
	}
	key, err := keyFlag(*hexKey)
	if err != nil {
		return err
	}
	var nodes []*enode.Node
	var links []string
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if line := lines.Text(); strings.HasPrefix(line, "enrtree:") {
			links = append(links, line)
		} else if node, err := enode.Parse(enode.ValidSchemes, line); err != nil {
			return fmt.Errorf("%q: %v", line, err)
		} else {
			nodes = append(nodes, node)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	tree, err := dnsdisc.MakeTree(*seq, nodes, links)
	if err != nil {
		return err
	}
	url, err := tree.Sign(key, *domain)
	if err != nil {
		return err
	}
	out.report("made", fields{"url": url, "texts": tree.ToTXT(*domain)})
	return nil
}

func syncDNSTree(out *reporter, args []string) error {
	flags := flag.NewFlagSet("dns sync", flag.ContinueOnError)
	client := dnsClientFlags(flags)
	url := flags.String("url", "", "enrtree URL")
	if err := flags.Parse(args); err != nil {
		return err
	}
	tree, err := client().SyncTree(*url)
	if err != nil {
		return err
	}
	out.report("tree", fields{"seq": tree.Seq(), "records": recordTexts(tree.Nodes()), "links": tree.Links()})
	return nil
}

func iterateDNSTree(out *reporter, args []string) error {
	flags := flag.NewFlagSet("dns iterate", flag.ContinueOnError)
	client := dnsClientFlags(flags)
	url := flags.String("url", "", "enrtree URL")
	count := flags.Int("count", 10, "different nodes to find")
	if err := flags.Parse(args); err != nil {
		return err
	}
	iterator, err := client().NewIterator(*url)
	if err != nil {
		return err
	}
	defer iterator.Close()
	found := make(map[enode.ID]*enode.Node)
	for len(found) < *count && iterator.Next() {
		found[iterator.Node().ID()] = iterator.Node()
	}
	nodes := make([]*enode.Node, 0, len(found))
	for _, node := range found {
		nodes = append(nodes, node)
	}
	out.report("nodes", fields{"records": recordTexts(nodes)})
	return nil
}

// dnsClientFlags adds the server to ask; the client is made when the flags have been read.
func dnsClientFlags(flags *flag.FlagSet) func() *dnsdisc.Client {
	server := flags.String("server", "", "address and port of the DNS server, on loopback")
	return func() *dnsdisc.Client {
		resolver := &net.Resolver{
			PreferGo: true,
			Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				host, _, err := net.SplitHostPort(*server)
				if err != nil || !net.ParseIP(host).IsLoopback() {
					return nil, fmt.Errorf("not a server on loopback: %q", *server)
				}
				return new(net.Dialer).DialContext(ctx, network, *server)
			},
		}
		return dnsdisc.NewClient(dnsdisc.Config{
			Resolver:  resolver,
			RateLimit: dnsRateLimit,
			Timeout:   5 * time.Second,
		})
	}
}

func recordTexts(nodes []*enode.Node) []string {
	texts := make([]string, len(nodes))
	for i, node := range nodes {
		texts[i] = node.String()
	}
	return texts
}
