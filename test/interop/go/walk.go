package main

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/p2p/discover"
)

// walk looks something up as often as told, or as fast as lookups end. A zero one does nothing.
type walk struct {
	stop    chan struct{}
	once    sync.Once
	running sync.WaitGroup
}

func (w *walk) begin(interval time.Duration, lookup func()) {
	w.stop = make(chan struct{})
	w.running.Add(1)
	go func() {
		defer w.running.Done()
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-w.stop:
				return
			case <-ticker.C:
				lookup()
			}
		}
	}()
}

func (w *walk) end() {
	if w.stop != nil {
		w.once.Do(func() { close(w.stop) })
	}
}

func (w *walk) wait() { w.running.Wait() }

// restAll waits for the lookups of all that are under way.
func restAll(walks []*walk) {
	for _, w := range walks {
		w.end()
	}
	for _, w := range walks {
		w.wait()
	}
}

func randomID() (id [32]byte) {
	rand.Read(id[:])
	return id
}

// tableSize is how much is in the buckets of a node, and how much of that is live.
func tableSize(index int, buckets [][]discover.BucketNode) fields {
	entries, live := 0, 0
	for _, bucket := range buckets {
		entries += len(bucket)
		for _, entry := range bucket {
			if entry.Live {
				live++
			}
		}
	}
	return fields{"index": index, "entries": entries, "live": live}
}
