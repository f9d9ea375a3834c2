package hpack

// A Field is one header field. Name is lower case; pseudo-header names start with a colon.
type Field struct {
	Name, Value string
	// Sensitive fields are encoded as never-indexed literals (RFC 7541 §6.2.3).
	Sensitive bool
}
