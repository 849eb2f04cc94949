// Command peerlane-bench-go is go-ethereum's side of peerlane's benchmarks.
//
//	bench-go [-quick] [-only ID] ...    measures go-ethereum's packages; one JSON row a line, see below
//	bench-go node [-bare]              a p2p.Server, or a bare RLPx listener, that a benchmark gives orders to
//	bench-go load                      many RLPx connections to one node under test, go-ethereum's or ours
//	bench-go discover                  a discovery v4 node that a benchmark gives orders to
//	bench-go discover-load             nodes that it knows and that ping it, and a flood beside them
//	bench-go discover5                 a discovery v5 node
//	bench-go discover5-load            nodes that set up sessions with it, and a flood beside them
//
// The last six take JSON lines on stdin, answer each on stdout, and exit when stdin ends. Only loopback is used.
//
// The rows:
//
//	handshake             both sides of a handshake, one after another in one thread, over net.Pipe
//	frame-encode-SIZE-xN  rlpx.Conn.Write into a connection that drops what it gets
//	frame-decode-SIZE-xN  rlpx.Conn.Read from a connection that replays recorded frames from memory
//	v5-packet-*           v5wire.Codec.Encode and Decode of a Ping and of a Nodes with three records, in a session
//	v5-handshake          both sides of a handshake of v5wire.Codec, from a packet that does not open to the session
//	tcp-100k              two p2p.Server in this process, one connection over loopback, messages of 100 KB
//	tcp-100k-one-core     the same with GOMAXPROCS=1
//
// Frames are those of 1, 8 or 50 streams with snappy on, as in live use after Hello; MB are 10^6 bytes of message payload
// before compression. Payloads are random bytes, which do not compress, or with `-payload zero` zeros, which do.
// All of it runs with GOMAXPROCS=1 but `tcp-100k`. A value is the median of the runs, its spread (max - min) / median.
package main

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/rlpx"
)

// messageCode is one of the eth range; its RLP is one byte.
const messageCode = 0x14

// effort is how much a measurement does.
type effort struct {
	runs, handshakes int
	// streamBytes and streamFrames bound the frames of one run, which a decode run holds in memory.
	streamBytes, streamFrames int
	// tcpMessages go over the connection in one run.
	tcpMessages int
	// v5Packets is how long packets of discovery v5 are made or read in one run.
	v5Packets time.Duration
}

var work = effort{runs: 5, handshakes: 400, streamBytes: 64 << 20, streamFrames: 200_000, tcpMessages: 2000, v5Packets: 500 * time.Millisecond}

type row struct {
	ID      string  `json:"id"`
	Subject string  `json:"subject"`
	Unit    string  `json:"unit"`
	Value   float64 `json:"value"`
	Spread  float64 `json:"spread"`
	Payload string  `json:"payload,omitempty"`
}

var sizes = []struct {
	name  string
	bytes int
}{{"64", 64}, {"1k", 1 << 10}, {"16k", 16 << 10}, {"128k", 128 << 10}, {"1m", 1 << 20}}

func main() {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		run := map[string]func(args []string) error{
			"node": runNode, "load": runLoad, "discover": runDiscover, "discover-load": runDiscoverLoad,
			"discover5": runDiscover5, "discover5-load": runDiscover5Load,
		}[os.Args[1]]
		if run == nil {
			fmt.Fprintln(os.Stderr, "usage: bench-go [flags] | node [flags] | load | discover | discover-load | discover5 | discover5-load")
			os.Exit(2)
		}
		if err := run(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench-go "+os.Args[1]+": "+err.Error())
			os.Exit(1)
		}
		return
	}
	payload := flag.String("payload", "random", "what messages hold: random or zero")
	quick := flag.Bool("quick", false, "little work, to see that it runs")
	only := flag.String("only", "", "rows whose id begins so")
	flag.Parse()
	if *quick {
		work = effort{runs: 3, handshakes: 20, streamBytes: 4 << 20, streamFrames: 2_000, tcpMessages: 100, v5Packets: 20 * time.Millisecond}
	}
	if *payload != "random" && *payload != "zero" {
		fmt.Fprintln(os.Stderr, "-payload is random or zero")
		os.Exit(2)
	}
	cores := runtime.GOMAXPROCS(1)
	out := json.NewEncoder(os.Stdout)
	emit := func(id, unit, kind string, measure func() float64) {
		if !strings.HasPrefix(id, *only) {
			return
		}
		value, spread := repeat(measure)
		out.Encode(row{ID: id, Subject: "go-ethereum", Unit: unit, Value: value, Spread: spread, Payload: kind})
	}
	emit("handshake", "handshakes/s", "", measureHandshakes)
	for _, size := range sizes {
		data := make([]byte, size.bytes)
		if *payload == "random" {
			rand.New(rand.NewSource(1)).Read(data)
		}
		for _, streams := range []int{1, 8, 50} {
			name := fmt.Sprintf("%s-x%d", size.name, streams)
			emit("frame-encode-"+name, "MB/s", *payload, func() float64 { return measureEncode(data, streams) })
			emit("frame-decode-"+name, "MB/s", *payload, func() float64 { return measureDecode(data, streams) })
		}
	}
	for name, message := range v5Messages() {
		emit("v5-packet-encode-"+name, "packets/s", "", func() float64 { return measureV5Encode(message) })
		emit("v5-packet-decode-"+name, "packets/s", "", func() float64 { return measureV5Decode(message) })
	}
	emit("v5-handshake", "handshakes/s", "", measureV5Handshake)
	link := newTCPLink()
	emit("tcp-100k-one-core", "MB/s", "random", link.measure)
	runtime.GOMAXPROCS(cores)
	emit("tcp-100k", "MB/s", "random", link.measure)
}

// repeat gives the median of the runs and their spread; one run before them warms up.
func repeat(measure func() float64) (median, spread float64) {
	measure()
	values := make([]float64, work.runs)
	for i := range values {
		runtime.GC()
		values[i] = measure()
	}
	slices.Sort(values)
	median = values[len(values)/2]
	return median, (values[len(values)-1] - values[0]) / median
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// wire is a net.Conn whose two directions can be replaced once the handshake is over.
type wire struct {
	net.Conn
	in  io.Reader
	out io.Writer
}

func (w *wire) Read(p []byte) (int, error)  { return w.in.Read(p) }
func (w *wire) Write(p []byte) (int, error) { return w.out.Write(p) }

type side struct {
	wire *wire
	conn *rlpx.Conn
}

func newSide(pipe net.Conn, dial *ecdsa.PublicKey) side {
	w := &wire{Conn: pipe, in: pipe, out: pipe}
	return side{wire: w, conn: rlpx.NewConn(w, dial)}
}

// connect runs a handshake between two new connections.
func connect(initiatorKey, recipientKey *ecdsa.PrivateKey) (initiator, recipient side) {
	a, b := net.Pipe()
	initiator, recipient = newSide(a, &recipientKey.PublicKey), newSide(b, nil)
	done := make(chan error, 1)
	go func() {
		_, err := recipient.conn.Handshake(recipientKey)
		done <- err
	}()
	must(initiator.conn.Handshake(initiatorKey))
	check(<-done)
	return initiator, recipient
}

func measureHandshakes() float64 {
	initiatorKey, recipientKey := must(crypto.GenerateKey()), must(crypto.GenerateKey())
	start := time.Now()
	for range work.handshakes {
		connect(initiatorKey, recipientKey)
	}
	return float64(work.handshakes) / time.Since(start).Seconds()
}

// frameCount is how many frames each of the streams has.
func frameCount(size, streams int) int {
	return max(1, min(work.streamFrames, work.streamBytes/size)/streams)
}

func megabytes(count, size int, elapsed time.Duration) float64 {
	return float64(count) * float64(size) / 1e6 / elapsed.Seconds()
}

func connected() (writer, reader side) {
	writer, reader = connect(must(crypto.GenerateKey()), must(crypto.GenerateKey()))
	writer.conn.SetSnappy(true)
	reader.conn.SetSnappy(true)
	return writer, reader
}

// measureEncode writes to the streams in turn, as a node does that sends the same to each peer.
func measureEncode(data []byte, streams int) float64 {
	writers := make([]*rlpx.Conn, streams)
	for i := range writers {
		writer, _ := connected()
		writer.wire.out = io.Discard
		writers[i] = writer.conn
	}
	count := frameCount(len(data), streams)
	start := time.Now()
	for range count {
		for _, writer := range writers {
			must(writer.Write(messageCode, data))
		}
	}
	return megabytes(count*streams, len(data), time.Since(start))
}

// measureDecode reads from the streams in turn.
func measureDecode(data []byte, streams int) float64 {
	count := frameCount(len(data), streams)
	readers := make([]*rlpx.Conn, streams)
	for i := range readers {
		writer, reader := connected()
		var recorded bytes.Buffer
		recorded.Grow(count * (len(data) + 128))
		writer.wire.out = &recorded
		for range count {
			must(writer.conn.Write(messageCode, data))
		}
		reader.wire.in = &recorded
		readers[i] = reader.conn
	}
	start := time.Now()
	for range count {
		for _, reader := range readers {
			code, got, _, err := reader.Read()
			check(err)
			if code != messageCode || len(got) != len(data) {
				panic("a frame came back wrong")
			}
		}
	}
	return megabytes(count*streams, len(data), time.Since(start))
}
