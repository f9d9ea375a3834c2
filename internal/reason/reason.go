// Package reason names why calls, streams and connections end, where more than one package has to agree on the
// name: one produces it, another compares it, counts it or explains it.
//
// Codes are part of what users see, as keys of Stats and in logs, so that they are short, stable and few. A code
// that only its detection site uses, such as the rule of RFC 9113 that a peer broke, need not be here.
package reason

// A Code names a reason.
type Code = string

// Header lists, in both directions.
const (
	// HeaderList is a request or response whose header list is larger than this side accepts (WithMaxHeaderListSize).
	HeaderList Code = "header_list"
	// PeerHeaderList is a request or response whose header list is larger than the peer accepts
	// (its SETTINGS_MAX_HEADER_LIST_SIZE). It was not sent, or not all of it.
	PeerHeaderList Code = "peer_header_list"
)
