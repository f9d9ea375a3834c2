package channel

import "sync"

// Pool lets several users of the same target and settings use one channel. The zero value is empty
// and ready. Safe for concurrent use.
type Pool struct {
	mu sync.Mutex
	// guarded by mu
	shared map[any]*sharedChannel
}

// sharedChannel is a channel and the number of its users.
type sharedChannel struct {
	ch    *Channel
	users int
}

// Lease is one user's share of a channel.
type Lease struct {
	Channel *Channel
	once    sync.Once
	giveUp  func() (last bool)
}

// Own returns the lease of a channel that is not shared.
func Own(ch *Channel) *Lease { return &Lease{Channel: ch, giveUp: func() bool { return true }} }

// Close gives the share up; the last one to do so closes the channel. Idempotent.
func (l *Lease) Close() error {
	l.once.Do(func() {
		if l.giveUp() {
			l.Channel.Close()
		}
	})
	return nil
}

// Abandon is Close for a user that is gone without having said so: see Channel.Abandon.
func (l *Lease) Abandon() {
	l.once.Do(func() {
		if l.giveUp() {
			l.Channel.Abandon()
		}
	})
}

// Get returns a share of the channel for key, which is made if there is none. key is comparable and
// stands for everything that build puts into the channel.
func (p *Pool) Get(key any, build func() (*Channel, error)) (*Lease, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.shared[key]
	if s == nil {
		ch, err := build()
		if err != nil {
			return nil, err
		}
		s = &sharedChannel{ch: ch}
		if p.shared == nil {
			p.shared = map[any]*sharedChannel{}
		}
		p.shared[key] = s
	}
	s.users++
	return &Lease{Channel: s.ch, giveUp: func() bool { return p.giveUp(key, s) }}, nil
}

func (p *Pool) giveUp(key any, s *sharedChannel) (last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.users--; s.users > 0 {
		return false
	}
	delete(p.shared, key)
	return true
}
