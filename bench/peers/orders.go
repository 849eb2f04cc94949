package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

// maxLife ends a process whose benchmark has forgotten it.
const maxLife = 5 * time.Minute

// order is a line of stdin. Each is answered by a line with its `ref`, and `error` where it failed.
type order struct {
	Ref      int      `json:"ref"`
	Cmd      string   `json:"cmd"`
	Port     int      `json:"port"`
	ID       string   `json:"id"`       // the public key of the node to dial, hexadecimal
	Enode    string   `json:"enode"`    // or its URL
	Count    int      `json:"count"`    // peers, handshakes or pings
	Parallel int      `json:"parallel"` // handshakes at a time
	Messages int      `json:"messages"` // to or from each peer
	Burst    int      `json:"burst"`    // messages to one peer in a row
	Bytes    int64    `json:"bytes"`    // from each peer
	Gap      float64  `json:"gap"`      // milliseconds
	Data     [][]byte `json:"data"`     // payloads, base64
	Records  []string `json:"records"`  // of nodes to be pinged
	Rate     float64  `json:"rate"`     // packets a second
	Kind     string   `json:"kind"`     // of a flood
	Subnets  int      `json:"subnets"`  // networks of /24 that sockets are spread over; 0: all on 127.0.0.1
}

type fields map[string]any

// answers writes one JSON object a line.
type answers struct {
	mu  sync.Mutex
	enc *json.Encoder
}

func (a *answers) write(line fields) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.enc.Encode(line)
}

// serveOrders announces readiness with `ready`, then runs each order in a goroutine of its own. It returns when
// stdin ends: a benchmark that dies takes this process with it.
func serveOrders(ready fields, handle func(*order) (fields, error)) error {
	time.AfterFunc(maxLife, func() {
		fmt.Fprintln(os.Stderr, "bench-go: forgotten by its benchmark")
		os.Exit(3)
	})
	out := &answers{enc: json.NewEncoder(os.Stdout)}
	out.write(ready)
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		o := new(order)
		if err := json.Unmarshal(line, o); err != nil {
			return fmt.Errorf("bad order: %w", err)
		}
		go func() {
			answer, err := handle(o)
			if answer == nil {
				answer = fields{}
			}
			answer["ref"] = o.Ref
			if err != nil {
				answer["error"] = err.Error()
			}
			out.write(answer)
		}()
	}
}

// cpuSeconds is what this process has used so far, in user and system mode.
func cpuSeconds() float64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

// fileLimit raises the number of files that this process may open as far as it may, and says how far.
func fileLimit() uint64 {
	var limit syscall.Rlimit
	check(syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	limit.Cur = limit.Max
	// Where the system refuses (macOS has a lower limit of its own), what there was stays.
	syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	check(syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	return uint64(limit.Cur)
}

// goal is a number that many goroutines count up to.
type goal struct {
	mu      sync.Mutex
	left    int64
	reached chan struct{}
}

func (g *goal) set(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left, g.reached = n, make(chan struct{})
}

func (g *goal) add(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left > 0 {
		if g.left -= n; g.left <= 0 {
			close(g.reached)
		}
	}
}

func (g *goal) wait() {
	g.mu.Lock()
	reached := g.reached
	g.mu.Unlock()
	<-reached
}
