package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

// Packets of discovery v5 (discv5-wire.md, "Packet Encoding"), written for a load that costs less than what it measures.
const (
	v5IVSize     = 16
	v5NonceSize  = 12
	v5AuthdataAt = v5IVSize + 23
	v5TagSize    = 16
	v5KeySize    = 16

	v5FlagMessage, v5FlagWhoareyou, v5FlagHandshake = 0, 1, 2

	v5PingType, v5PongType = 1, 2
)

// v5Protocol is "discv5" and the version.
var v5Protocol = []byte{'d', 'i', 's', 'c', 'v', '5', 0, 1}

// v5Packet is one that was unmasked.
type v5Packet struct {
	flag     byte
	nonce    []byte
	authdata []byte
	// head is masking-iv || header.
	head    []byte
	message []byte
}

func v5Mask(dest enode.ID, iv, header []byte) {
	block, err := aes.NewCipher(dest[:v5KeySize])
	check(err)
	cipher.NewCTR(block, iv).XORKeyStream(header, header)
}

// v5Head is masking-iv || header, not masked.
func v5Head(flag byte, nonce, authdata []byte) []byte {
	head := make([]byte, v5AuthdataAt, v5AuthdataAt+len(authdata))
	rand.Read(head[:v5IVSize])
	at := v5IVSize + copy(head[v5IVSize:], v5Protocol)
	head[at] = flag
	copy(head[at+1:], nonce)
	binary.BigEndian.PutUint16(head[v5AuthdataAt-2:], uint16(len(authdata)))
	return append(head, authdata...)
}

// v5Masked is the packet of a head, which stays as it is, and a message.
func v5Masked(dest enode.ID, head, message []byte) []byte {
	packet := append(bytes.Clone(head), message...)
	v5Mask(dest, packet[:v5IVSize], packet[v5IVSize:len(head)])
	return packet
}

// v5Unmask reads a packet for the node `own`; what it gives are views of the packet, which it changes.
func v5Unmask(own enode.ID, packet []byte) (v5Packet, error) {
	if len(packet) < v5AuthdataAt {
		return v5Packet{}, errors.New("a short packet")
	}
	block, err := aes.NewCipher(own[:v5KeySize])
	check(err)
	stream := cipher.NewCTR(block, packet[:v5IVSize])
	static := packet[v5IVSize:v5AuthdataAt]
	stream.XORKeyStream(static, static)
	if !bytes.HasPrefix(static, v5Protocol) {
		return v5Packet{}, errors.New("a packet for somebody else")
	}
	end := v5AuthdataAt + int(binary.BigEndian.Uint16(packet[v5AuthdataAt-2:]))
	if len(packet) < end {
		return v5Packet{}, errors.New("a short packet")
	}
	authdata := packet[v5AuthdataAt:end]
	stream.XORKeyStream(authdata, authdata)
	at := len(v5Protocol)
	return v5Packet{
		flag: static[at], nonce: static[at+1 : at+1+v5NonceSize], authdata: authdata,
		head: packet[:end], message: packet[end:],
	}, nil
}

func v5Cipher(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	check(err)
	aead, err := cipher.NewGCM(block)
	check(err)
	return aead
}

// v5Random gives random bytes.
func v5Random(length int) []byte {
	bytes := make([]byte, length)
	rand.Read(bytes)
	return bytes
}
