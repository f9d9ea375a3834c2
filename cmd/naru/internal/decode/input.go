package decode

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
)

// maxInput bounds what is read into memory.
const maxInput = 512 << 20

// read returns the bytes that the command line means.
func (c *config) read(env *cli.Env) ([]byte, error) {
	if len(c.args) == 0 || len(c.args) == 1 && c.args[0] == "-" {
		return c.readAll("stdin", env.Stdin)
	}
	if len(c.args) == 1 {
		f, err := os.Open(env.Path(c.args[0]))
		if err == nil {
			defer f.Close()
			return c.readAll(c.args[0], f)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	text := strings.Join(c.args, " ")
	b, err := c.text([]byte(text))
	if err != nil || c.format == "auto" && !looksHex([]byte(text)) && len(c.args) > 1 {
		return nil, cli.Usagef("%q is no file and no hexadecimal", text)
	}
	if c.format == "auto" && bytes.Equal(b, []byte(text)) {
		return nil, cli.Usagef("%q is no file, no hexadecimal and no base64", text)
	}
	return b, nil
}

func (c *config) readAll(name string, r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", name, err)
	case len(b) > maxInput:
		return nil, fmt.Errorf("%s has more than %d MiB", name, maxInput>>20)
	case len(b) == 0:
		return nil, fmt.Errorf("%s is empty", name)
	}
	out, err := c.text(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}

// text undoes hexadecimal and base64. In the form "auto" anything else is taken as it is.
func (c *config) text(b []byte) ([]byte, error) {
	switch c.format {
	case "binary":
		return b, nil
	case "hex":
		return fromHex(b)
	case "base64":
		return fromBase64(b)
	}
	if looksHex(b) {
		if out, err := fromHex(b); err == nil && len(out) > 0 {
			return out, nil
		}
	}
	if base64Text.Match(b) {
		if out, err := fromBase64(b); err == nil && len(out) > 0 {
			return out, nil
		}
	}
	return b, nil
}

var (
	base64Text = regexp.MustCompile(`^[\sA-Za-z0-9+/_-]{4,}={0,2}\s*$`)
	// dumpOffset is what xxd ("00000010: "), hexdump -C ("00000010 ") and tcpdump -x ("0x0010: ")
	// put before the bytes.
	dumpOffset = regexp.MustCompile(`^\s*(?:0x)?[0-9a-fA-F]{4,8}(?::\s|\s\s)\s*`)
	hexOnly    = regexp.MustCompile(`^(?:0x)?[0-9a-fA-F\s:,]+$`)
)

// looksHex reports whether a text is hexadecimal, or a dump.
func looksHex(b []byte) bool {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return dumpOffset.Match(line) || hexOnly.Match(bytes.ReplaceAll(b, []byte("0x"), nil))
}

// fromHex reads hexadecimal with white space, commas and colons in it, or the lines of a dump.
func fromHex(b []byte) ([]byte, error) {
	var digits []byte
	for line := range bytes.Lines(b) {
		line = bytes.TrimRight(line, "\r\n")
		if at := dumpOffset.FindIndex(line); at != nil {
			line = line[at[1]:]
			line, _, _ = bytes.Cut(line, []byte("  |"))
			if i := bytes.Index(line, []byte("   ")); i >= 0 {
				line = line[:i]
			}
			if i := bytes.LastIndex(line, []byte("  ")); i >= 24 || i >= 0 && !hexOnly.Match(line) {
				line = line[:i] // the characters
			}
		}
		for _, word := range strings.FieldsFunc(string(line), func(r rune) bool { return strings.ContainsRune(" \t,:", r) }) {
			digits = append(digits, strings.TrimPrefix(word, "0x")...)
		}
	}
	out := make([]byte, hex.DecodedLen(len(digits)))
	if _, err := hex.Decode(out, digits); err != nil {
		return nil, fmt.Errorf("not hexadecimal: %w", err)
	}
	return out, nil
}

// fromBase64 reads the standard and the URL alphabet, padded or not, with white space in it.
func fromBase64(b []byte) ([]byte, error) {
	text := strings.Join(strings.Fields(string(b)), "")
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	out, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("not base64: %w", err)
	}
	return out, nil
}

// prefixLen is the size of a gRPC message's prefix: a flag byte and a length of four.
const prefixLen = 5

// isPrefixed reports whether bytes are gRPC messages behind length prefixes, from the first to the
// last.
func isPrefixed(b []byte) bool {
	for n := 0; ; n++ {
		if len(b) == 0 {
			return n > 0
		}
		if len(b) < prefixLen || b[0] > 1 {
			return false
		}
		size := uint64(binary.BigEndian.Uint32(b[1:]))
		if size > uint64(len(b)-prefixLen) {
			return false
		}
		b = b[prefixLen+size:]
	}
}

// cutPath splits "/package.Service/Method".
func cutPath(path string) (service, method string, ok bool) {
	path, ok = strings.CutPrefix(path, "/")
	if !ok {
		return "", "", false
	}
	service, method, ok = strings.Cut(path, "/")
	return service, method, ok && protoreflect.FullName(service).IsValid() && protoreflect.Name(method).IsValid()
}
