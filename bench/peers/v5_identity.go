package main

import (
	"bytes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/discover/v5wire"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/ethereum/go-ethereum/rlp"
)

const (
	v5SignatureSize = 64
	v5PointSize     = 33
	v5IDNonceSize   = 16
	// checkedProofs is one in how many id signatures that is checked; all would make the load the slower side.
	checkedProofs = 16
)

// v5Identity is a node that has not met the one under test yet. What does not depend on its WHOAREYOU is made before the
// clock starts.
type v5Identity struct {
	key    *ecdsa.PrivateKey
	id     enode.ID
	record []byte
	text   string

	ephemeral []byte
	shared    []byte
}

// v5Keys are the ciphers of a session, as one side has them.
type v5Keys struct{ write, read cipher.AEAD }

func newV5Identity(address *net.UDPAddr) (*v5Identity, error) {
	key, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	record := new(enr.Record)
	record.Set(enr.IPv4(address.IP.To4()))
	record.Set(enr.UDP(address.Port))
	record.SetSeq(1)
	if err := enode.SignV4(record, key); err != nil {
		return nil, err
	}
	node, err := enode.New(enode.ValidSchemes, record)
	if err != nil {
		return nil, err
	}
	encoded, err := rlp.EncodeToBytes(record)
	if err != nil {
		return nil, err
	}
	return &v5Identity{key: key, id: node.ID(), record: encoded, text: node.String()}, nil
}

// prepare makes the ephemeral key of a handshake with a node.
func (i *v5Identity) prepare(remote *ecdsa.PublicKey) error {
	key, err := crypto.GenerateKey()
	if err != nil {
		return err
	}
	i.ephemeral = crypto.CompressPubkey(&key.PublicKey)
	i.shared = v5Shared(key, remote)
	return nil
}

// v5Shared is the compressed point that both sides of a key agreement have.
func v5Shared(key *ecdsa.PrivateKey, remote *ecdsa.PublicKey) []byte {
	x, y := crypto.S256().ScalarMult(remote.X, remote.Y, key.D.Bytes())
	return crypto.CompressPubkey(&ecdsa.PublicKey{Curve: crypto.S256(), X: x, Y: y})
}

// v5Derive gives what the initiator and what the recipient encrypt with.
func v5Derive(shared, challenge []byte, initiator, recipient enode.ID) (a, b cipher.AEAD, err error) {
	info := "discovery v5 key agreement" + string(initiator[:]) + string(recipient[:])
	keys, err := hkdf.Key(sha256.New, shared, challenge, info, 2*v5KeySize)
	if err != nil {
		return nil, nil, err
	}
	return v5Cipher(keys[:v5KeySize]), v5Cipher(keys[v5KeySize:]), nil
}

// v5ProofDigest is what an id signature is of.
func v5ProofDigest(challenge, ephemeral []byte, recipient enode.ID) []byte {
	hash := sha256.New()
	for _, part := range [][]byte{[]byte("discovery v5 identity proof"), challenge, ephemeral, recipient[:]} {
		hash.Write(part)
	}
	return hash.Sum(nil)
}

// v5Message is the plaintext of a message.
func v5Message(kind byte, message any) []byte {
	data, err := rlp.EncodeToBytes(message)
	check(err)
	return append([]byte{kind}, data...)
}

// knock makes a packet that the other side cannot open.
func (i *v5Identity) knock(to enode.ID, nonce []byte) []byte {
	return v5Masked(to, v5Head(v5FlagMessage, nonce, i.id[:]), v5Random(44))
}

// handshakeHead is the authdata of the handshake packet.
func (i *v5Identity) handshakeAuthdata(signature, ephemeral []byte) []byte {
	authdata := append(i.id.Bytes(), v5SignatureSize, v5PointSize)
	return append(append(append(authdata, signature...), ephemeral...), i.record...)
}

// answer makes the packet that answers a WHOAREYOU, with a message in it, and the keys of the session.
func (i *v5Identity) answer(to enode.ID, challenge, plaintext []byte) ([]byte, v5Keys, error) {
	write, read, err := v5Derive(i.shared, challenge, i.id, to)
	if err != nil {
		return nil, v5Keys{}, err
	}
	signature, err := crypto.Sign(v5ProofDigest(challenge, i.ephemeral, to), i.key)
	if err != nil {
		return nil, v5Keys{}, err
	}
	nonce := v5Random(v5NonceSize)
	head := v5Head(v5FlagHandshake, nonce, i.handshakeAuthdata(signature[:v5SignatureSize], i.ephemeral))
	return v5Masked(to, head, write.Seal(nil, nonce, plaintext, head)), v5Keys{write: write, read: read}, nil
}

// accept opens the message of a handshake packet that answers our WHOAREYOU.
func (i *v5Identity) accept(p v5Packet, challenge []byte, from *ecdsa.PublicKey, count int) ([]byte, v5Keys, error) {
	const signatureAt, keyAt = 34, 34 + v5SignatureSize
	if len(p.authdata) < keyAt+v5PointSize || p.authdata[32] != v5SignatureSize || p.authdata[33] != v5PointSize {
		return nil, v5Keys{}, errors.New("a handshake of another form")
	}
	initiator := enode.ID(p.authdata[:32])
	ephemeral := p.authdata[keyAt : keyAt+v5PointSize]
	if count%checkedProofs == 0 {
		digest := v5ProofDigest(challenge, ephemeral, i.id)
		if !crypto.VerifySignature(crypto.FromECDSAPub(from), digest, p.authdata[signatureAt:keyAt]) {
			return nil, v5Keys{}, errors.New("an id signature of somebody else")
		}
	}
	point, err := crypto.DecompressPubkey(ephemeral)
	if err != nil {
		return nil, v5Keys{}, err
	}
	read, write, err := v5Derive(v5Shared(i.key, point), challenge, initiator, i.id)
	if err != nil {
		return nil, v5Keys{}, err
	}
	plaintext, err := read.Open(nil, p.nonce, p.message, p.head)
	return plaintext, v5Keys{write: write, read: read}, err
}

// say makes a packet of a session.
func (i *v5Identity) say(to enode.ID, keys v5Keys, plaintext []byte) []byte {
	nonce := v5Random(v5NonceSize)
	head := v5Head(v5FlagMessage, nonce, i.id[:])
	return v5Masked(to, head, keys.write.Seal(nil, nonce, plaintext, head))
}

// whoareyou makes a challenge, and what the answer to it is about.
func (i *v5Identity) whoareyou(to enode.ID, nonce []byte) (packet, challenge []byte) {
	authdata := binary.BigEndian.AppendUint64(v5Random(v5IDNonceSize), 0)
	head := v5Head(v5FlagWhoareyou, nonce, authdata)
	return v5Masked(to, head, nil), head
}

func v5Ping(id []byte) []byte { return v5Message(v5PingType, &v5wire.Ping{ReqID: id, ENRSeq: 1}) }

// isV5Pong says whether a plaintext answers the Ping of that id.
func isV5Pong(plaintext, id []byte) (bool, error) {
	if len(plaintext) == 0 || plaintext[0] != v5PongType {
		return false, nil
	}
	var pong v5wire.Pong
	if err := rlp.DecodeBytes(plaintext[1:], &pong); err != nil {
		return false, fmt.Errorf("a bad Pong: %w", err)
	}
	return bytes.Equal(pong.ReqID, id), nil
}

// v5PongTo answers a Ping; nil for what is none.
func v5PongTo(plaintext []byte, from *net.UDPAddr) []byte {
	var ping v5wire.Ping
	if len(plaintext) == 0 || plaintext[0] != v5PingType || rlp.DecodeBytes(plaintext[1:], &ping) != nil {
		return nil
	}
	return v5Message(v5PongType, &v5wire.Pong{ReqID: ping.ReqID, ENRSeq: 1, ToIP: from.IP.To4(), ToPort: uint16(from.Port)})
}
