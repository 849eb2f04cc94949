package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

type fields map[string]any

// reporter writes one JSON object a line; `event` names what happened.
type reporter struct {
	mu  sync.Mutex
	enc *json.Encoder
}

func newReporter(w io.Writer) *reporter {
	return &reporter{enc: json.NewEncoder(w)}
}

func (r *reporter) report(event string, details fields) {
	line := fields{"event": event}
	for name, value := range details {
		line[name] = value
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.enc.Encode(line)
}

// command is a line of stdin. Each is answered by `done` or `failed` with its `ref`.
type command struct {
	Ref      int    `json:"ref"`
	Cmd      string `json:"cmd"`
	Enode    string `json:"enode"`    // dial
	Peer     string `json:"peer"`     // send, disconnect: public key; may be left out with one connection
	Protocol string `json:"protocol"` // send: default the first one
	Code     uint64 `json:"code"`     // send
	Size     int    `json:"size"`     // send
	Seed     uint32 `json:"seed"`     // send
	Kind     string `json:"kind"`     // send: "random" (default) or "zero"
	Data     string `json:"data"`     // send: the payload itself, hexadecimal
	Reason   uint8  `json:"reason"`   // disconnect

	Args json.RawMessage `json:"args"` // discover: see discoverArgs
}

// payload is what a `send` sends: the bytes given, or Size bytes made from Kind and Seed.
func (c *command) payload() ([]byte, error) {
	if c.Data != "" {
		return hex.DecodeString(c.Data)
	}
	if c.Size < 0 || c.Size > 1<<24 {
		return nil, fmt.Errorf("size %d is out of range", c.Size)
	}
	switch c.Kind {
	case "", "random":
		return patternBytes(c.Seed, c.Size), nil
	case "zero":
		return make([]byte, c.Size), nil
	}
	return nil, fmt.Errorf("unknown kind %q", c.Kind)
}

// patternBytes gives bytes that do not compress: the little-endian words of an xorshift32 generator.
// test/interop/devp2p-peer.ts makes the same.
func patternBytes(seed uint32, size int) []byte {
	state := seed*2654435761 + 1
	if state == 0 {
		state = 1
	}
	out := make([]byte, size)
	for i := range out {
		if i%4 == 0 {
			state ^= state << 13
			state ^= state >> 17
			state ^= state << 5
		}
		out[i] = byte(state >> (8 * (i % 4)))
	}
	return out
}

func describe(code uint64, data []byte) fields {
	digest := sha256.Sum256(data)
	details := fields{"code": code, "size": len(data), "sha256": hex.EncodeToString(digest[:])}
	if len(data) <= 256 {
		details["data"] = hex.EncodeToString(data)
	}
	return details
}

// serveCommands runs each line's handler in a goroutine of its own, so that a write that blocks does not hold up
// a disconnect; commands whose order matters are sent after the `done` of the one before. It returns at `quit`
// and when stdin ends: a parent that dies takes this program with it.
func serveCommands(in io.Reader, out *reporter, handle func(c *command) (fields, error)) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		c := new(command)
		if err := json.Unmarshal(lines.Bytes(), c); err != nil {
			return fmt.Errorf("bad command: %w", err)
		}
		if c.Cmd == "quit" {
			out.report("done", fields{"ref": c.Ref})
			return nil
		}
		go func() {
			details, err := handle(c)
			if err != nil {
				out.report("failed", fields{"ref": c.Ref, "error": err.Error()})
				return
			}
			done := fields{"ref": c.Ref}
			for name, value := range details {
				done[name] = value
			}
			out.report("done", done)
		}()
	}
	return lines.Err()
}
