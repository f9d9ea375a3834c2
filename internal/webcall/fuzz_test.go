package webcall

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/textproto"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/web"
)

// pieces cuts a body where cuts say.
func pieces(body string, cuts []byte) []string {
	var all []string
	for _, c := range cuts {
		n := min(int(c), len(body))
		all, body = append(all, body[:n]), body[n:]
	}
	return append(all, body)
}

// FuzzText: what a gRPC-Web body in base64 decodes to does not depend on how it is cut, and one
// that is not base64 leaves no whole message behind what was right.
func FuzzText(f *testing.F) {
	f.Add("AAAAAAJoaQ==AAAAAAA=", []byte{1, 3, 7})
	f.Add("AAA", []byte{})
	f.Add("!", []byte{0, 0})
	f.Add("\n\n\n\n", []byte{})
	f.Fuzz(func(t *testing.T, body string, cuts []byte) {
		var want []byte
		right := len(body)%4 == 0
		for i := 0; i+4 <= len(body); i += 4 {
			p, err := base64.StdEncoding.DecodeString(body[i : i+4])
			if want = append(want, p...); err != nil || strings.ContainsAny(body[i:i+4], "\r\n") {
				right = false
				break
			}
		}
		s, calls := ask(t, testHandler(web.Options{}, false), head("POST", "/s.S/Unary", "content-type", "application/grpc-web-text"), pieces(body, cuts)...)
		if !calls.ended || s.consumed != len(body) {
			t.Fatalf("ended %v, %d bytes given back of %d", calls.ended, s.consumed, len(body))
		}
		got := calls.body
		if !right {
			bad, ok := bytes.CutSuffix(got, []byte{0xff, 0xff, 0xff, 0xff, 0xff})
			if got = bad; !ok || len(got) > len(want)+2 {
				t.Fatalf("%q: the call got %q and no sign of what is wrong", body, calls.body)
			}
			return
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%q cut %v: %q, want %q", body, cuts, got, want)
		}
	})
}

// FuzzQuery: a GET is refused with a reason or becomes one message.
func FuzzQuery(f *testing.F) {
	f.Add("connect=v1&encoding=json&message=%22x%22")
	f.Add("encoding=proto&base64=1&message=AAAA&compression=gzip")
	f.Add("encoding=proto&message=%zz&base64=1;")
	f.Fuzz(func(t *testing.T, query string) {
		s, calls := ask(t, testHandler(web.Options{}, false), head("GET", "/s.S/Get?"+query))
		if calls == nil {
			if s.head == nil || !s.ended || s.head.Status < 400 {
				t.Fatalf("%q: neither a call nor refused: %v", query, s.head)
			}
			return
		}
		got, whole := calls.messages()
		if !whole || len(got) != 1 || !calls.ended || calls.head.Path != "/s.S/Get" {
			t.Fatalf("%q: %q to %s, ended %v", query, calls.body, calls.head.Path, calls.ended)
		}
	})
}

// FuzzUnary: a body that is a message becomes that message, or one too long to be taken, however it
// comes.
func FuzzUnary(f *testing.F) {
	f.Add("hello", []byte{2}, true, "gzip")
	f.Add(strings.Repeat("x", 2*testLimit), []byte{200, 200, 200, 200}, false, "")
	f.Fuzz(func(t *testing.T, body string, cuts []byte, length bool, encoding string) {
		rh := head("POST", "/s.S/Unary", "content-type", "application/proto", "content-encoding", encoding)
		if length {
			rh.Fields = append(rh.Fields, wire.Field("content-length", strconv.Itoa(len(body))))
		}
		s, calls := ask(t, testHandler(web.Options{}, false), rh, pieces(body, cuts)...)
		if !calls.ended || s.consumed != len(body) {
			t.Fatalf("ended %v, %d bytes given back of %d", calls.ended, s.consumed, len(body))
		}
		if len(calls.body) < prefixLen {
			t.Fatalf("%q: the call got %q", body, calls.body)
		}
		n := int(binary.BigEndian.Uint32(calls.body[1:]))
		if n > testLimit && len(body) > testLimit {
			return
		}
		if n != len(body) || string(calls.body[prefixLen:]) != body {
			t.Fatalf("%d bytes: the call got %d, %d announced", len(body), len(calls.body)-prefixLen, n)
		}
	})
}

// FuzzTimeout: a timeout that is accepted is the one that was asked for, and at most 8 digits of
// gRPC's.
func FuzzTimeout(f *testing.F) {
	for _, s := range []string{"", "0", "1", "9999999999", "12345678901", "-1", "+1", "1e3", " 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, ms string) {
		got, err := timeoutOf(ms)
		if err != nil || got == "" {
			if err == nil && ms != "" {
				t.Fatalf("%q is ignored", ms)
			}
			return
		}
		d, err := wire.ParseTimeout(got)
		n, nerr := strconv.ParseUint(ms, 10, 64)
		want := time.Duration(n) * time.Millisecond
		if err != nil || nerr != nil || d < want || d > want+want/1000 {
			t.Fatalf("%q became %q: %v, %v", ms, got, d, err)
		}
	})
}

// FuzzError: any status is an error in JSON that says the same.
func FuzzError(f *testing.F) {
	f.Add(uint32(5), "no such thing", []byte("\n\x01x"))
	f.Add(uint32(66), "0", []byte("\b\b")) // the details contradict it
	f.Add(uint32(99), "\xff\"\n<script>", []byte(nil))
	f.Fuzz(func(t *testing.T, code uint32, text string, details []byte) {
		s := wire.ReceivedStatus(code, text, details)
		var got wireError
		if err := json.Unmarshal(marshal(errorOf(s)), &got); err != nil {
			t.Fatal(err)
		}
		if got.Code != codeName(s.Code()) && code != 0 || utf8.ValidString(text) && got.Message != s.Message() || len(got.Details) != len(s.RawDetails()) {
			t.Fatalf("%d %q: %+v", code, text, got)
		}
		if n := httpStatus(codes.Code(code)); n < 400 || n > 599 {
			t.Fatalf("code %d is HTTP's %d", code, n)
		}
	})
}

// FuzzEnds: the end of a response, in the form of each protocol, says what the trailers said, and
// is one envelope. Trailers are what metadata may be.
func FuzzEnds(f *testing.F) {
	f.Add("why", "asked", "5", "no%20such: 없음")
	f.Add("x-bin", "AAA", "0", "")
	f.Fuzz(func(t *testing.T, key, value, code, text string) {
		if metadata.ValidateKey(key) != nil || metadata.ValidateValue(key, value) != nil || metadata.IsProtocol(key) || metadata.IsBinary(key) || strings.TrimSpace(value) != value {
			return
		}
		if n, err := strconv.ParseUint(code, 10, 32); err != nil || strconv.FormatUint(n, 10) != code {
			return
		}
		fields := head("", "", "grpc-status", code, "grpc-message", wire.PercentEncode(text), key, value).Fields
		frame := trailerMessage(fields)
		if frame[0] != trailerFlag || int(binary.BigEndian.Uint32(frame[1:])) != len(frame)-prefixLen {
			t.Fatalf("%q", frame)
		}
		block := append(frame[prefixLen:len(frame):len(frame)], "\r\n"...)
		got, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(block))).ReadMIMEHeader()
		if err != nil || got.Get(key) != value || got.Get("grpc-status") != code || len(got) != 3 {
			t.Fatalf("%q: %v, %v", block, got, err)
		}
		end := endMessage(endingOf(fields))
		if end[0] != endStreamFlag || int(binary.BigEndian.Uint32(end[1:])) != len(end)-prefixLen {
			t.Fatalf("%q", end)
		}
		var parsed endStream
		if err := json.Unmarshal(end[prefixLen:], &parsed); err != nil || (parsed.Error == nil) != (code == "0") {
			t.Fatalf("%q: %v", end, err)
		}
		if e := parsed.Error; e != nil && utf8.ValidString(text) && e.Message != text {
			t.Fatalf("message %q, want %q", e.Message, text)
		}
		if v := parsed.Metadata[key]; utf8.ValidString(value) && (len(v) != 1 || v[0] != value) {
			t.Fatalf("%q: %v, want %q", end, parsed.Metadata, value)
		}
	})
}

// FuzzRequest: any head and body is answered, becomes a call, or is left to others, and every byte
// is given back once, whether the call takes it or ends early.
func FuzzRequest(f *testing.F) {
	f.Add("POST", "/s.S/Unary", "application/json", "connect-timeout-ms", "5", "body", []byte{1}, uint8(0))
	f.Add("GET", "/s.S/Get?encoding=json&message=1", "", "origin", "https://x", "", []byte{}, uint8(1))
	f.Add("POST", "/s.S/Down", "application/grpc-web-text+json", "content-length", "99", "AAAA", []byte{2, 2}, uint8(2))
	f.Fuzz(func(t *testing.T, method, path, contentType, name, value, body string, cuts []byte, early uint8) {
		s, calls := new(fakeStream), &fakeCalls{keep: true}
		rh := head(method, path, "content-type", contentType, name, value)
		sink := testHandler(web.Options{AllowedOrigins: []string{"https://a"}}, early%2 == 0).Stream(s, rh, false, calls)
		if sink == nil {
			return
		}
		if calls.head == nil && (!s.ended || s.head == nil) {
			t.Fatal("neither a call nor answered")
		}
		all := pieces(body, cuts)
		for i, p := range all {
			if calls.head != nil && i == int(early) {
				_ = calls.stream.Send(&transport.Out{Head: responseHead(), Body: buf(message), End: true, Trailers: head("", "", "grpc-status", "0").Fields})
			}
			before := len(calls.body)
			sink.Data([]byte(p), i == len(all)-1)
			if n := len(calls.body) - before; calls.head != nil && n > 0 {
				calls.stream.Consumed(n)
			}
			if s.consumed > len(body) {
				t.Fatalf("%d bytes given back of %d", s.consumed, len(body))
			}
		}
		sink.Closed(nil)
		if s.consumed != len(body) {
			t.Fatalf("%d bytes given back of %d", s.consumed, len(body))
		}
	})
}
