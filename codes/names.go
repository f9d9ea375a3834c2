package codes

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// names are the codes' names in service configs and in the specification, which are the
// canonical ones, google.rpc.Code's. That one spells CANCELLED with two Ls.
var names = [...]string{
	OK:                 "OK",
	Canceled:           "CANCELLED",
	Unknown:            "UNKNOWN",
	InvalidArgument:    "INVALID_ARGUMENT",
	DeadlineExceeded:   "DEADLINE_EXCEEDED",
	NotFound:           "NOT_FOUND",
	AlreadyExists:      "ALREADY_EXISTS",
	PermissionDenied:   "PERMISSION_DENIED",
	ResourceExhausted:  "RESOURCE_EXHAUSTED",
	FailedPrecondition: "FAILED_PRECONDITION",
	Aborted:            "ABORTED",
	OutOfRange:         "OUT_OF_RANGE",
	Unimplemented:      "UNIMPLEMENTED",
	Internal:           "INTERNAL",
	Unavailable:        "UNAVAILABLE",
	DataLoss:           "DATA_LOSS",
	Unauthenticated:    "UNAUTHENTICATED",
}

// Valid reports whether c is one of the 17 codes.
func (c Code) Valid() bool { return uint64(c) < uint64(len(names)) }

// Canonical returns c if it is one of the 17 codes and Unknown otherwise, which is how a
// receiver has to treat codes it does not know.
func (c Code) Canonical() Code {
	if c.Valid() {
		return c
	}
	return Unknown
}

// String returns the canonical name, such as "NOT_FOUND", or "CODE(42)" for a number
// that has none.
func (c Code) String() string {
	if c.Valid() {
		return names[c]
	}
	return "CODE(" + strconv.FormatUint(uint64(c), 10) + ")"
}

// Parse returns the code with the given canonical name ("NOT_FOUND") or decimal number ("5").
// The single-L spelling "CANCELED" is understood too. Names are case-sensitive, and numbers
// beyond the 17 codes are an error.
func Parse(s string) (Code, error) {
	if s == "CANCELED" {
		return Canceled, nil
	}
	for c, name := range names {
		if s == name {
			return Code(c), nil
		}
	}
	if n, err := strconv.ParseUint(s, 10, 32); err == nil && Code(n).Valid() {
		return Code(n), nil
	}
	return 0, fmt.Errorf("codes: parse: %q is neither a code's name nor a number from 0 to %d", s, len(names)-1)
}

// MarshalText returns what String does.
func (c Code) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText accepts what Parse does. On error c is left as it was.
func (c *Code) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*c = parsed
	return nil
}

// UnmarshalJSON accepts a JSON string or number that Parse accepts. JSON's null changes
// nothing; on error c is left as it was.
func (c *Code) UnmarshalJSON(b []byte) error {
	switch {
	case string(b) == "null":
		return nil
	case len(b) > 0 && b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		return c.UnmarshalText([]byte(s))
	default:
		return c.UnmarshalText(b)
	}
}
