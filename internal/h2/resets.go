package h2

// resetLog remembers the streams we reset of late. The peer may have sent frames for them
// before it learnt of the reset: RFC 9113 §5.1 has us ignore those, while the same frames on a
// stream the peer itself had ended are an error. It forgets the oldest first and knows
// how far it has forgotten, so that no verdict is ever given on a forgotten stream.
type resetLog struct {
	ids       []uint32 // ring, allocated by the first reset
	at        int32
	forgotten uint32 // highest id that fell out
}

const resetLogSize = 128

func (l *resetLog) add(id uint32) {
	if len(l.ids) < resetLogSize {
		l.ids = append(l.ids, id)
		return
	}
	l.forgotten = max(l.forgotten, l.ids[l.at])
	l.ids[l.at] = id
	l.at = (l.at + 1) % resetLogSize
}

// mayHaveReset reports whether this side reset the stream, or can no longer know.
func (l *resetLog) mayHaveReset(id uint32) bool {
	if id <= l.forgotten {
		return true
	}
	for _, v := range l.ids {
		if v == id {
			return true
		}
	}
	return false
}
