package serviceconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// node is a JSON value: nil, bool, string, json.Number, []node or *members.
type node any

// members are the members of a JSON object, in order.
type members struct {
	keys   []string
	values map[string]node
}

// maxDepth bounds nesting. The deepest config there is has policies within policies, ten levels or
// so.
const maxDepth = 64

// readTree reads a JSON text. encoding/json lets the second of two equal keys win; here it is an
// error, because one of them is not what its author thinks.
func readTree(text string) (node, error) {
	text = blankComments(text)
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	n, err := readNode(d, "", 0)
	if err != nil {
		return nil, located(d, text, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, located(d, text, &Error{Problem: "something follows the end of the JSON value"})
	}
	return n, nil
}

// blankComments overwrites comments with spaces, so that places in the text stay what they are.
func blankComments(text string) string {
	if !strings.Contains(text, "/*") && !strings.Contains(text, "//") {
		return text
	}
	b := []byte(text)
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '"':
			i = endOfString(b, i)
		case b[i] == '/' && i+1 < len(b) && (b[i+1] == '/' || b[i+1] == '*'):
			end := endOfComment(text, i)
			for ; i < end; i++ {
				if b[i] != '\n' {
					b[i] = ' '
				}
			}
			i--
		}
	}
	return string(b)
}

// endOfString returns the index of the quote that ends the string beginning at i.
func endOfString(b []byte, i int) int {
	for i++; i < len(b) && b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i
}

// endOfComment returns the index after the comment beginning at i. One that does not end is left to
// the reader.
func endOfComment(text string, i int) int {
	closing, skip := "\n", 0
	if text[i+1] == '*' {
		closing, skip = "*/", 2
	}
	if n := strings.Index(text[i+2:], closing); n >= 0 {
		return i + 2 + n + skip
	}
	if closing == "\n" {
		return len(text)
	}
	return i + 1
}

// located says where in the text the JSON is broken.
func located(d *json.Decoder, text string, err error) error {
	if e, ok := err.(*Error); ok && e.Path != "" {
		return e
	}
	at := min(int(d.InputOffset()), len(text))
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		at, err = len(text), errors.New("the JSON text ends too early")
	}
	line := 1 + strings.Count(text[:at], "\n")
	col := at - strings.LastIndexByte(text[:at], '\n')
	problem := err.Error()
	if e, ok := err.(*Error); ok {
		problem = e.Problem
	}
	return &Error{Problem: fmt.Sprintf("%s (line %d, column %d)", shorten(problem), line, col)}
}

func readNode(d *json.Decoder, path string, depth int) (node, error) {
	if depth > maxDepth {
		return nil, &Error{Path: path, Problem: fmt.Sprintf("it is nested more than %d levels deep", maxDepth)}
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		return readObject(d, path, depth)
	case json.Delim('['):
		return readArray(d, path, depth)
	}
	return t, nil
}

func readObject(d *json.Decoder, path string, depth int) (node, error) {
	m := &members{values: map[string]node{}}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, _ := t.(string) // Token makes sure of it
		sub := join(path, key)
		if _, dup := m.values[key]; dup {
			return nil, &Error{Path: sub, Problem: "the key is there twice"}
		}
		v, err := readNode(d, sub, depth+1)
		if err != nil {
			return nil, err
		}
		m.keys = append(m.keys, key)
		m.values[key] = v
	}
	_, err := d.Token() // the closing brace
	return m, err
}

func readArray(d *json.Decoder, path string, depth int) (node, error) {
	list := []node{}
	for d.More() {
		v, err := readNode(d, fmt.Sprintf("%s[%d]", path, len(list)), depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := d.Token() // the closing bracket
	return list, err
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// kind names a value's type for people.
func kind(n node) string {
	switch v := n.(type) {
	case nil:
		return "null"
	case bool:
		return fmt.Sprintf("the boolean %v", v)
	case string:
		return fmt.Sprintf("the string %q", clip(v))
	case json.Number:
		return "the number " + clip(v.String())
	case []node:
		return "a list"
	}
	return "an object"
}

func clip(s string) string {
	if len(s) > maxKey {
		return s[:maxKey] + "..."
	}
	return s
}

func index(i int) string { return fmt.Sprintf("[%d]", i) }

// writeNode is readTree backwards.
func writeNode(n node) string {
	var b strings.Builder
	writeTo(&b, n)
	return b.String()
}

func writeTo(b *strings.Builder, n node) {
	switch v := n.(type) {
	case []node:
		for i, e := range v {
			b.WriteByte("[,"[min(i, 1)])
			writeTo(b, e)
		}
		if len(v) == 0 {
			b.WriteByte('[')
		}
		b.WriteByte(']')
	case *members:
		for i, k := range v.keys {
			b.WriteByte("{,"[min(i, 1)])
			writeTo(b, k)
			b.WriteByte(':')
			writeTo(b, v.values[k])
		}
		if len(v.keys) == 0 {
			b.WriteByte('{')
		}
		b.WriteByte('}')
	default:
		text, err := json.Marshal(v)
		if err != nil {
			panic("BUG: a JSON scalar that was read cannot be written: " + err.Error())
		}
		b.Write(text)
	}
}
