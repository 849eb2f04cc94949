package main

import (
	"bytes"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/discover/v4wire"
	"github.com/ethereum/go-ethereum/rlp"
)

const (
	hashLength = 32
	headLength = hashLength + crypto.SignatureLength
	// checkedPongs is one in how many Pongs whose signature is checked; all would make the load the slower side.
	checkedPongs = 64
	bondAttempts = 20
)

// discoverClient is a node with a socket of its own: a Ping that it gets does not say for which node it is.
type discoverClient struct {
	key     *ecdsa.PrivateKey
	socket  *net.UDPConn
	target  netip.AddrPort
	remote  v4wire.Pubkey
	signed  []signedPing
	run     atomic.Pointer[pingRun]
	serial  uint64
	pongs   int
	pinged  chan struct{}
	records chan struct{}
}

func newDiscoverClient(i, subnets int, target netip.AddrPort, remote v4wire.Pubkey) (*discoverClient, error) {
	key, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	socket, err := listenSpread(i, subnets, 1)
	if err != nil {
		return nil, err
	}
	c := &discoverClient{
		key: key, socket: socket, target: target, remote: remote,
		pinged: make(chan struct{}, 1), records: make(chan struct{}, 1),
	}
	c.begin(nil, false)
	go c.read()
	return c, nil
}

func expiry() uint64 { return uint64(time.Now().Add(maxLife).Unix()) }

func (c *discoverClient) endpoint() v4wire.Endpoint {
	return v4wire.NewEndpoint(c.socket.LocalAddr().(*net.UDPAddr).AddrPort(), 0)
}

// ping makes one that no other is like; a sequence number of 0 does not make the other side ask for the record.
func (c *discoverClient) ping() (signedPing, error) {
	c.serial++
	rest, err := rlp.EncodeToBytes(c.serial)
	if err != nil {
		return signedPing{}, err
	}
	packet, hash, err := v4wire.Encode(c.key, &v4wire.Ping{
		Version: 4, From: c.endpoint(), To: v4wire.NewEndpoint(c.target, 0), Expiration: expiry(),
		Rest: []rlp.RawValue{rest},
	})
	if err != nil {
		return signedPing{}, err
	}
	return signedPing{packet: packet, hash: [hashLength]byte(hash)}, nil
}

func (c *discoverClient) sign(count int) error {
	c.signed = make([]signedPing, count)
	for i := range c.signed {
		ping, err := c.ping()
		if err != nil {
			return err
		}
		c.signed[i] = ping
	}
	return nil
}

func (c *discoverClient) write(packet []byte) error {
	_, err := c.socket.WriteToUDPAddrPort(packet, c.target)
	return err
}

// begin makes these Pings the ones whose Pongs count.
func (c *discoverClient) begin(queue []signedPing, follow bool) *pingRun {
	run := newPingRun(queue, follow, c.write)
	c.run.Store(run)
	return run
}

// bond proves the endpoint: it answers the Ping that comes back, and has the proof when its ENRRequest is answered.
func (c *discoverClient) bond() error {
	ping, err := c.ping()
	if err != nil {
		return err
	}
	if err := c.write(ping.packet); err != nil {
		return err
	}
	select {
	case <-c.pinged:
	case <-time.After(dialTimeout):
		return errors.New("no Ping came back")
	}
	for range bondAttempts {
		request, _, err := v4wire.Encode(c.key, &v4wire.ENRRequest{Expiration: expiry()})
		if err != nil {
			return err
		}
		if err := c.write(request); err != nil {
			return err
		}
		select {
		case <-c.records:
			return nil
		case <-time.After(replyTimeout / 5):
		}
	}
	return errors.New("the endpoint was not taken for proved")
}

// read takes what comes until the socket is closed.
func (c *discoverClient) read() {
	buffer := make([]byte, 1281)
	for {
		n, err := c.socket.Read(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			err = c.take(buffer[:n])
		}
		if err != nil {
			// A figure of wrong answers is worse than none.
			fmt.Fprintln(os.Stderr, "bench-go discover-load: "+err.Error())
			os.Exit(1)
		}
	}
}

func (c *discoverClient) take(packet []byte) error {
	now := time.Now()
	if len(packet) <= headLength || !bytes.Equal(packet[:hashLength], crypto.Keccak256(packet[hashLength:])) {
		return fmt.Errorf("a packet of %d bytes with a wrong hash", len(packet))
	}
	switch packet[headLength] {
	case v4wire.PongPacket:
		return c.takePong(packet, now)
	case v4wire.PingPacket:
		pong, _, err := v4wire.Encode(c.key, &v4wire.Pong{
			To: v4wire.NewEndpoint(c.target, 0), ReplyTok: packet[:hashLength], Expiration: expiry(),
		})
		if err != nil {
			return err
		}
		if err := c.write(pong); err != nil {
			return err
		}
		signal(c.pinged)
	case v4wire.ENRResponsePacket:
		signal(c.records)
	case v4wire.FindnodePacket, v4wire.ENRRequestPacket:
		// What the node under test asks by itself gets no answer: it would be work that is not measured.
	default:
		return fmt.Errorf("a packet of type %d", packet[headLength])
	}
	return nil
}

func (c *discoverClient) takePong(packet []byte, now time.Time) error {
	if c.pongs++; c.pongs%checkedPongs == 1 {
		if _, from, _, err := v4wire.Decode(packet); err != nil || from != c.remote {
			return errors.Join(errors.New("a Pong of somebody else"), err)
		}
	}
	var pong v4wire.Pong
	if err := rlp.NewStream(bytes.NewReader(packet[headLength+1:]), 0).Decode(&pong); err != nil {
		return fmt.Errorf("a bad Pong: %w", err)
	}
	if len(pong.ReplyTok) != hashLength {
		return fmt.Errorf("a Pong for a hash of %d bytes", len(pong.ReplyTok))
	}
	return c.run.Load().answered([hashLength]byte(pong.ReplyTok), now)
}

func signal(to chan<- struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// pingOften gives the times in milliseconds from Ping to Pong, one after the other, and how many were never answered.
func (c *discoverClient) pingOften(count int, gap time.Duration) (fields, error) {
	times := []float64{}
	for range count {
		time.Sleep(gap)
		ping, err := c.ping()
		if err != nil {
			return nil, err
		}
		run := c.begin([]signedPing{ping}, true)
		if err := run.complete(1, replyTimeout); err != nil {
			return nil, err
		}
		answered, _ := run.results()
		times = append(times, answered...)
	}
	return fields{"times": times, "lost": count - len(times)}, nil
}
