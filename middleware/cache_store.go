package middleware

import (
	"container/list"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
)

// A store keeps messages by key, bounded in bytes and number; the least recently used goes first.
type store struct {
	// immutable
	maxBytes   int64
	maxEntries int

	mu      sync.Mutex
	bytes   int64
	entries map[string]*list.Element
	used    *list.List // of *stored, the last used first
}

type stored struct {
	key   string
	m     proto.Message // not changed any more
	size  int64
	until time.Time
}

func newStore(maxBytes int64, maxEntries int) *store {
	return &store{maxBytes: maxBytes, maxEntries: maxEntries, entries: map[string]*list.Element{}, used: list.New()}
}

// get returns the message, which is shared; nil if there is none that is fresh.
func (s *store) get(key string, now time.Time) proto.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key]
	if e == nil {
		return nil
	}
	v := e.Value.(*stored)
	if !now.Before(v.until) {
		s.removeLocked(e)
		return nil
	}
	s.used.MoveToFront(e)
	return v.m
}

func (s *store) put(key string, m proto.Message, size int64, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[key]; e != nil {
		s.removeLocked(e)
	}
	s.entries[key] = s.used.PushFront(&stored{key, m, size, until})
	s.bytes += size
	for s.bytes > s.maxBytes || s.used.Len() > s.maxEntries {
		s.removeLocked(s.used.Back())
	}
}

func (s *store) removeLocked(e *list.Element) {
	v := s.used.Remove(e).(*stored)
	delete(s.entries, v.key)
	s.bytes -= v.size
}
