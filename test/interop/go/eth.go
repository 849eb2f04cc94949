package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/netutil"
	"github.com/ethereum/go-ethereum/rlp"
)

// Message codes of eth (caps/eth.md); the same in every version used here.
const (
	statusMsg          = 0x00
	getBlockHeadersMsg = 0x03
	blockHeadersMsg    = 0x04
	getBlockBodiesMsg  = 0x05
	blockBodiesMsg     = 0x06
)

var ethLengths = map[uint]uint64{68: 17, 69: 18, 70: 18, 71: 20, 72: 22}

// ethProbe asks one node for headers and bodies. It has no chain: its Status mirrors the node's own.
type ethProbe struct {
	out         *reporter
	from, count uint64
	bodies      bool
}

type headersRequest struct {
	ID    uint64
	Query struct {
		Origin, Amount, Skip uint64
		Reverse              bool
	}
}

type bodiesRequest struct {
	ID     uint64
	Hashes [][32]byte
}

// itemsResponse is BlockHeaders or BlockBodies with the items left encoded.
type itemsResponse struct {
	ID    uint64
	Items []rlp.RawValue
}

func runEth(out *reporter, args []string) error {
	var (
		set      = flag.NewFlagSet("eth", flag.ContinueOnError)
		target   = set.String("enode", "", "the node to ask")
		versions = set.String("versions", "68,69,70,71,72", "eth versions to offer")
		hexKey   = set.String("key", "", "node key, 64 hexadecimal digits; default a fresh one")
		from     = set.Uint64("from", 1, "first block number")
		count    = set.Uint64("count", 10, "headers to ask for; 0: Status only")
		bodies   = set.Bool("bodies", true, "ask for the bodies of these headers too")
		timeout  = set.Duration("timeout", 10*time.Second, "for all of it")
	)
	if err := set.Parse(args); err != nil {
		return err
	}
	key, err := keyFlag(*hexKey)
	if err != nil {
		return err
	}
	node, err := loopbackNode(*target)
	if err != nil {
		return err
	}
	restrict, err := netutil.ParseNetlist("127.0.0.0/8")
	if err != nil {
		return err
	}
	probe := &ethProbe{out: out, from: *from, count: *count, bodies: *bodies}
	finished := make(chan error, 1)
	var protocols []p2p.Protocol
	for _, text := range strings.Split(*versions, ",") {
		v, err := strconv.ParseUint(text, 10, 32)
		if err != nil || ethLengths[uint(v)] == 0 {
			return fmt.Errorf("unknown eth version %q", text)
		}
		version := uint(v)
		protocols = append(protocols, p2p.Protocol{
			Name: "eth", Version: version, Length: ethLengths[version],
			Run: func(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
				err := probe.run(version, peer, rw)
				select {
				case finished <- err:
				default:
				}
				return err
			},
		})
	}
	server := &p2p.Server{Config: p2p.Config{
		PrivateKey: key, Name: "devp2p-peer-eth", MaxPeers: 1, NoDiscovery: true, NoDial: true,
		ListenAddr: "127.0.0.1:0", NetRestrict: restrict, Protocols: protocols,
		Logger: log.NewLogger(log.DiscardHandler()),
	}}
	drops := make(chan *p2p.PeerEvent, 8)
	defer server.SubscribeEvents(drops).Unsubscribe()
	if err := server.Start(); err != nil {
		return err
	}
	defer server.Stop()
	conn, err := dialNode(node)
	if err != nil {
		return err
	}
	if err := server.SetupConn(conn, dialedConn, node); err != nil {
		return fmt.Errorf("connection refused by one side: %w", err)
	}
	deadline := time.After(*timeout)
	for {
		select {
		case err := <-finished:
			// The end of the stream says less than the reason in the drop event, which comes next.
			if err == nil || !errors.Is(err, io.EOF) {
				return err
			}
		case event := <-drops:
			if event.Type == p2p.PeerEventTypeDrop {
				return fmt.Errorf("dropped: %s", event.Error)
			}
		case <-deadline:
			return errors.New("timed out")
		}
	}
}

func (e *ethProbe) run(version uint, peer *p2p.Peer, rw p2p.MsgReadWriter) error {
	caps := make([]string, 0, len(peer.Caps()))
	for _, c := range peer.Caps() {
		caps = append(caps, c.String())
	}
	e.out.report("connected", fields{
		"peer": publicID(peer.Node().Pubkey()), "name": peer.Fullname(), "caps": caps, "version": version,
	})
	if err := e.mirrorStatus(version, rw); err != nil {
		return err
	}
	if e.count == 0 {
		return nil
	}
	hashes, err := e.requestHeaders(rw)
	if err != nil || !e.bodies || len(hashes) == 0 {
		return err
	}
	return e.requestBodies(rw, hashes)
}

// mirrorStatus takes the node's Status and returns the same one: the same chain, the same fork id, the same head.
func (e *ethProbe) mirrorStatus(version uint, rw p2p.MsgReadWriter) error {
	msg, err := rw.ReadMsg()
	if err != nil {
		return err
	}
	payload, err := io.ReadAll(msg.Payload)
	if err != nil {
		return err
	}
	if msg.Code != statusMsg {
		return fmt.Errorf("message %d before Status", msg.Code)
	}
	e.out.report("status", fields{"version": version, "rlp": fmt.Sprintf("%x", payload)})
	return writeBytes(rw, statusMsg, payload)
}

// await reads on to the answer `code` and drops what the node announces meanwhile.
func await(rw p2p.MsgReadWriter, code uint64, id uint64) ([]rlp.RawValue, error) {
	for {
		msg, err := rw.ReadMsg()
		if err != nil {
			return nil, err
		}
		if msg.Code != code {
			if err := msg.Discard(); err != nil {
				return nil, err
			}
			continue
		}
		var response itemsResponse
		if err := msg.Decode(&response); err != nil {
			return nil, err
		}
		if response.ID != id {
			return nil, fmt.Errorf("answer to request %d in place of %d", response.ID, id)
		}
		return response.Items, nil
	}
}

func (e *ethProbe) requestHeaders(rw p2p.MsgReadWriter) ([][32]byte, error) {
	request := headersRequest{ID: 1}
	request.Query.Origin, request.Query.Amount = e.from, e.count
	if err := p2p.Send(rw, getBlockHeadersMsg, &request); err != nil {
		return nil, err
	}
	headers, err := await(rw, blockHeadersMsg, request.ID)
	if err != nil {
		return nil, err
	}
	hashes := make([][32]byte, len(headers))
	list := make([]fields, len(headers))
	for i, header := range headers {
		number, err := headerNumber(header)
		if err != nil {
			return nil, err
		}
		hashes[i] = crypto.Keccak256Hash(header)
		list[i] = fields{"number": number, "hash": fmt.Sprintf("0x%x", hashes[i])}
	}
	e.out.report("headers", fields{"headers": list})
	return hashes, nil
}

func (e *ethProbe) requestBodies(rw p2p.MsgReadWriter, hashes [][32]byte) error {
	request := bodiesRequest{ID: 2, Hashes: hashes}
	if err := p2p.Send(rw, getBlockBodiesMsg, &request); err != nil {
		return err
	}
	bodies, err := await(rw, blockBodiesMsg, request.ID)
	if err != nil {
		return err
	}
	sizes := make([]int, len(bodies))
	for i, body := range bodies {
		sizes[i] = len(body)
	}
	e.out.report("bodies", fields{"sizes": sizes})
	return nil
}

// headerNumber reads the block number, the ninth field of a header.
func headerNumber(header []byte) (uint64, error) {
	rest, _, err := rlp.SplitList(header)
	if err != nil {
		return 0, err
	}
	for range 8 {
		if _, _, rest, err = rlp.Split(rest); err != nil {
			return 0, err
		}
	}
	number, _, err := rlp.SplitUint64(rest)
	return number, err
}
