package metadata

import (
	"fmt"
	"strings"
)

// IsBinary reports whether values of key are arbitrary bytes: whether it ends in "-bin".
// key is lower-case.
func IsBinary(key string) bool { return strings.HasSuffix(key, "-bin") }

// IsProtocol reports whether a header is gRPC's or HTTP's own business and so is not sent as
// metadata. name is lower-case. Of these, handlers are shown ":authority" and "user-agent".
func IsProtocol(name string) bool {
	if name == "" || name[0] == ':' {
		return true
	}
	switch name {
	case "content-type", "te", "user-agent",
		"grpc-timeout", "grpc-encoding", "grpc-accept-encoding", "grpc-message-type",
		"grpc-status", "grpc-message", "grpc-status-details-bin",
		// RFC 9113 §8.2.2: connection-specific fields make a message malformed.
		"connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade",
		"host", "content-length":
		return true
	}
	return false
}

// shown are the protocol's fields that incoming metadata has. Settings of the client decide
// them, so that a handler that sends on all it got neither fails nor speaks for its caller.
func shown(name string) bool { return name == ":authority" || name == "user-agent" }

// applicationOwned are names with the reserved prefix that specifications let programs set:
// tracing contexts (gRFC A66, A72) and what gRFC A6 lets a server say about retries.
func applicationOwned(key string) bool {
	switch key {
	case "grpc-trace-bin", "grpc-tags-bin", "grpc-retry-pushback-ms", "grpc-previous-rpc-attempts":
		return true
	}
	return false
}

// Validate checks that every pair may be sent: see [ValidateKey] and [ValidateValue]. The
// error names the key and the offending byte. Nothing was changed or sent when it fails, so
// the pair can be put right and the call made again. ":authority" and "user-agent" pass,
// so that incoming metadata can be sent on, and are left out when it is sent.
func (md MD) Validate() error {
	for _, key := range md.sortedKeys() {
		key, values := lower(key), md[key]
		if shown(key) {
			continue
		}
		if err := ValidateKey(key); err != nil {
			return err
		}
		for _, v := range values {
			if err := ValidateValue(key, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// ValidateKey checks the lower-case key of a pair that is to be sent:
// "Header-Name → 1*( %x30-39 / %x61-7A / "_" / "-" / ".") ; 0-9 a-z _ - ." Names of the
// protocol itself are refused, and so are others that start with "grpc-", which "are reserved
// for future GRPC use and should not be used by applications" (doc/PROTOCOL-HTTP2.md).
// Received names of that kind are passed on nevertheless.
func ValidateKey(key string) error {
	if key == "" {
		return fmt.Errorf("metadata: a key is empty")
	}
	for i := 0; i < len(key); i++ {
		if !keyByte[key[i]] {
			return fmt.Errorf("metadata: key %q: byte %#02x at offset %d is not 0-9, a-z, underscore, dash or dot", key, key[i], i)
		}
	}
	if IsProtocol(key) {
		return fmt.Errorf("metadata: key %q: set by the protocol itself", key)
	}
	if strings.HasPrefix(key, "grpc-") && !applicationOwned(key) {
		return fmt.Errorf("metadata: key %q: names that start with grpc- are reserved", key)
	}
	return nil
}

var keyByte = func() (t [256]bool) {
	for _, c := range []byte("0123456789abcdefghijklmnopqrstuvwxyz_-.") {
		t[c] = true
	}
	return t
}()

// ValidateValue checks a value that is to be sent under a lower-case key. Anything goes for a
// binary key. Otherwise: "ASCII-Value → 1*( %x20-%x7E ) ; space and printable ASCII". The
// empty value is let through too, because other implementations send it. The error does not
// repeat the value, which may be a secret.
func ValidateValue(key, value string) error {
	if IsBinary(key) {
		return nil
	}
	if i := notASCIIValue(value); i >= 0 {
		return fmt.Errorf("metadata: key %q: byte %#02x at offset %d of the value is not printable ASCII (give the key the suffix -bin for other bytes)", key, value[i], i)
	}
	return nil
}

func notASCIIValue(value string) int {
	for i := 0; i < len(value); i++ {
		if c := value[i]; c < ' ' || c > '~' {
			return i
		}
	}
	return -1
}
