package conformance

import (
	"encoding/binary"
	"fmt"
	"io"

	"google.golang.org/protobuf/proto"
)

// maxMessage bounds what a size prefix may promise. The suite's largest message is well below.
const maxMessage = 16 << 20

// ReadMessage reads one message: its size as four bytes, big-endian, then its encoding. At the end
// of the input it returns io.EOF; in the middle of a message io.ErrUnexpectedEOF.
func ReadMessage(r io.Reader, m proto.Message) error {
	var prefix [4]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(prefix[:])
	if size > maxMessage {
		return fmt.Errorf("reading a message of the suite: size %d is more than %d", size, maxMessage)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("reading a message of the suite: %w", err)
	}
	return proto.Unmarshal(body, m)
}

// WriteMessage writes m as ReadMessage reads it, in one Write.
func WriteMessage(w io.Writer, m proto.Message) error {
	b, err := proto.MarshalOptions{}.MarshalAppend(make([]byte, 4), m)
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	_, err = w.Write(b)
	return err
}
