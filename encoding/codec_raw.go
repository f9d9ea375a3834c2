package encoding

// Raw returns the codec "raw": messages are bytes, given as []byte, *[]byte, RawMessage or
// *RawMessage and received into one of the pointers. To pass on messages of another
// subtype without decoding them, use that subtype's codec with a RawMessage.
func Raw() Codec { return rawCodec{} }

type rawCodec struct{}

func (rawCodec) Name() string { return "raw" }

func (rawCodec) bytes(m any) ([]byte, bool) {
	switch m := m.(type) {
	case []byte:
		return m, true
	case *[]byte:
		return *m, true
	}
	return raw(m)
}

func (c rawCodec) Size(m any) int {
	if b, ok := c.bytes(m); ok {
		return len(b)
	}
	return -1
}

func (c rawCodec) Append(dst []byte, m any, _ int) ([]byte, error) {
	b, ok := c.bytes(m)
	if !ok {
		return dst, &TypeError{"raw", "marshal", m, "[]byte or encoding.RawMessage"}
	}
	return append(dst, b...), nil
}

func (rawCodec) Unmarshal(src []byte, m any) error {
	if p, ok := m.(*[]byte); ok {
		*p = append(make([]byte, 0, len(src)), src...)
		return nil
	}
	if setRaw(src, m) {
		return nil
	}
	return &TypeError{"raw", "unmarshal", m, "*[]byte or *encoding.RawMessage"}
}
