package webcall

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/status"
)

// connectOutput is what both forms of response have in common.
type connectOutput struct {
	h       *Handler
	origin  origin
	subtype string
}

// A wireError is a status in JSON.
type wireError struct {
	Code    string       `json:"code"`
	Message string       `json:"message,omitempty"`
	Details []wireDetail `json:"details,omitempty"`
}

type wireDetail struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

func errorOf(s *status.Status) *wireError {
	e := &wireError{Code: codeName(s.Code()), Message: s.Message()}
	for _, d := range s.RawDetails() {
		name := d.GetTypeUrl()
		e.Details = append(e.Details, wireDetail{
			Type: name[strings.LastIndexByte(name, '/')+1:], Value: base64.RawStdEncoding.EncodeToString(d.GetValue()),
		})
	}
	return e
}

// marshal never fails: what it is given are strings.
func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("BUG: web: " + err.Error())
	}
	return b
}

// connectStreamOutput puts the end of a stream into an envelope of its own.
type connectStreamOutput struct{ connectOutput }

const endStreamFlag = 2

type endStream struct {
	Error    *wireError          `json:"error,omitempty"`
	Metadata map[string][]string `json:"metadata,omitempty"`
}

func (c *connectStreamOutput) send(s transport.ServerStream, out *transport.Out) error {
	next := transport.Out{Body: out.Body, End: out.End, Deadline: out.Deadline}
	trailers := out.Trailers
	if out.Head != nil {
		head := transport.ResponseHead{Status: 200, Fields: []transport.Field{wire.Field("content-type", "application/connect+"+c.subtype)}}
		fields := out.Head.Fields
		for _, f := range fields {
			switch f.Name {
			case wire.FieldEncoding:
				head.Fields = append(head.Fields, wire.Field("connect-content-encoding", f.Value))
			case wire.FieldAcceptEncoding:
				head.Fields = append(head.Fields, wire.Field("connect-accept-encoding", f.Value))
			}
		}
		if out.End && len(trailers) == 0 {
			trailers = fields // a response of nothing but its end
		} else {
			for _, f := range fields {
				if !isGRPC(f.Name) {
					head.Fields = append(head.Fields, f)
				}
			}
		}
		head.Fields = c.h.appendCORS(c.origin, head.Fields)
		next.Head = &head
	}
	if out.End {
		next.Body = appendBuf(next.Body, endMessage(endingOf(trailers)))
	}
	return s.Send(&next)
}

func endMessage(e ending) []byte {
	var end endStream
	if e.status.Code() != 0 {
		end.Error = errorOf(e.status)
	}
	for _, f := range e.metadata {
		if end.Metadata == nil {
			end.Metadata = make(map[string][]string)
		}
		end.Metadata[f.Name] = append(end.Metadata[f.Name], f.Value)
	}
	b := append([]byte{endStreamFlag, 0, 0, 0, 0}, marshal(end)...)
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-prefixLen))
	return b
}

// connectUnaryOutput holds the head back until the status is known.
type connectUnaryOutput struct {
	connectOutput
	unknown bool              // a method of that path is not known
	fields  []transport.Field // of the head
	code    int               // HTTP status of the head
	body    *mem.Buf
}

func (c *connectUnaryOutput) send(s transport.ServerStream, out *transport.Out) error {
	trailers := out.Trailers
	if out.Head != nil {
		c.code = out.Head.Status
		if c.fields = append([]transport.Field(nil), out.Head.Fields...); out.End && len(trailers) == 0 {
			trailers = c.fields
			c.fields = onlyGRPC(c.fields)
		}
	}
	if out.Body != nil {
		c.body.Free()
		c.body = out.Body
	}
	if !out.End {
		return nil
	}
	e := endingOf(trailers)
	next := transport.Out{End: true, Deadline: out.Deadline, Head: &transport.ResponseHead{Status: 200}}
	body := c.body
	c.body = nil
	fields := c.heldFields()
	if e.status.Code() == 0 && body != nil {
		fields = append(fields, wire.Field("content-type", "application/"+c.subtype))
		if body.B[0]&1 != 0 {
			fields = append(fields, wire.Field("content-encoding", first(c.fields, wire.FieldEncoding)))
		}
		body.B = body.B[prefixLen:]
		next.Body = body
	} else {
		body.Free()
		fields = append(fields, wire.Field("content-type", "application/json"))
		next.Head.Status = httpStatus(e.status.Code())
		if c.code == 415 {
			next.Head.Status = c.code
		} else if c.unknown && e.status.Code() == codes.Unimplemented {
			next.Head.Status = 404
		}
		b := marshal(errorOf(e.status))
		next.Body = mem.Get(len(b))
		next.Body.B = append(next.Body.B, b...)
	}
	for _, f := range e.metadata {
		fields = append(fields, wire.Field("trailer-"+f.Name, f.Value))
	}
	next.Head.Fields = c.h.appendCORS(c.origin, fields)
	return c.tooLarge(s.Send(&next))
}

// tooLarge makes an error about the head of a response be one about its trailers, as these are part
// of it: the call goes on to leave them out, and what it sent as its head goes with the first.
func (c *connectUnaryOutput) tooLarge(err error) error {
	large, ok := errors.AsType[*transport.HeaderListError](err)
	if !ok {
		return err
	}
	c.fields = onlyGRPC(c.fields)
	trailers := *large
	trailers.Section = transport.SectionTrailer
	return &trailers
}

// heldFields are the fields of the head that are not gRPC's.
func (c *connectUnaryOutput) heldFields() []transport.Field {
	var fields []transport.Field
	for _, f := range c.fields {
		switch {
		case f.Name == wire.FieldAcceptEncoding:
			fields = append(fields, wire.Field("accept-encoding", f.Value))
		case !isGRPC(f.Name):
			fields = append(fields, f)
		}
	}
	return fields
}

func onlyGRPC(all []transport.Field) []transport.Field {
	var fields []transport.Field
	for _, f := range all {
		if isGRPC(f.Name) {
			fields = append(fields, f)
		}
	}
	return fields
}

func first(fields []transport.Field, name string) string {
	for _, f := range fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}
