package main

import (
	"sync"
	"time"
)

// signedPing is a packet and the hash that its Pong will carry.
type signedPing struct {
	packet []byte
	hash   [hashLength]byte
}

// pingRun is what one client sends in a measurement, and what came of it so far.
type pingRun struct {
	send func(packet []byte) error

	mu     sync.Mutex
	queue  []signedPing
	sentAt map[[hashLength]byte]time.Time
	// follow: a Pong lets the next Ping leave, in the goroutine that reads, for another would cost a switch to it.
	follow   bool
	times    []float64
	progress time.Time
	lastPong time.Time
	finished chan struct{}
}

func newPingRun(queue []signedPing, follow bool, send func(packet []byte) error) *pingRun {
	return &pingRun{
		send: send, queue: queue, follow: follow, sentAt: make(map[[hashLength]byte]time.Time),
		progress: time.Now(), finished: make(chan struct{}),
	}
}

// next sends one more, if there is one, and ends the run when all are answered.
func (r *pingRun) next() error {
	r.mu.Lock()
	if len(r.queue) == 0 {
		defer r.mu.Unlock()
		if len(r.sentAt) == 0 {
			r.finish()
		}
		return nil
	}
	ping := r.queue[0]
	r.queue = r.queue[1:]
	r.sentAt[ping.hash] = time.Now()
	r.mu.Unlock()
	return r.send(ping.packet)
}

func (r *pingRun) finish() {
	select {
	case <-r.finished:
	default:
		close(r.finished)
	}
}

// answered takes a Pong; one that nobody waits for is a late one.
func (r *pingRun) answered(hash [hashLength]byte, now time.Time) error {
	r.mu.Lock()
	at, ok := r.sentAt[hash]
	if ok {
		delete(r.sentAt, hash)
		r.times = append(r.times, float64(now.Sub(at).Nanoseconds())/1e6)
		r.progress, r.lastPong = now, now
	}
	r.mu.Unlock()
	if !ok || !r.follow {
		return nil
	}
	return r.next()
}

// complete sends the queue, so many on the way at a time, and waits for the last ones. The network loses some: when
// nothing has come for `patience`, all that are on the way are given up.
func (r *pingRun) complete(width int, patience time.Duration) error {
	ticker := time.NewTicker(patience / 10)
	defer ticker.Stop()
	for {
		for range width {
			if err := r.next(); err != nil {
				return err
			}
		}
		for stalled := false; !stalled; {
			select {
			case <-r.finished:
				return nil
			case now := <-ticker.C:
				stalled = r.giveUp(now.Add(-patience))
			}
		}
	}
}

// giveUp forgets what is on the way, if nothing has come since then.
func (r *pingRun) giveUp(since time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.progress.After(since) {
		return false
	}
	clear(r.sentAt)
	r.progress = time.Now()
	return true
}

// results are the times from Ping to Pong in ms, and when the last one came.
func (r *pingRun) results() ([]float64, time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.times, r.lastPong
}
