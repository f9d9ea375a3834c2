package hpack

import "github.com/naru-rpc/naru/internal/reason"

// HTTP/2 error codes this package can ask for (RFC 9113 §7).
const (
	codeCompression     = 0x9
	codeEnhanceYourCalm = 0xb
)

// An Error says which rule a field block broke. Every one ends the connection, as the
// dynamic tables of the two ends are no longer known to agree (RFC 9113 §4.3).
type Error struct {
	// Code is the HTTP/2 error code to close with: COMPRESSION_ERROR for a block that is
	// wrong, ENHANCE_YOUR_CALM for one that is larger than [Limits] allow.
	Code uint32
	// Token names the detection site: short, stable, unique in this package.
	Token reason.Code
	// Reason says it for people.
	Reason string
}

func (e *Error) Error() string { return "hpack: " + e.Reason }

func compressionError(token reason.Code, text string) *Error {
	return &Error{Code: codeCompression, Token: "hpack_" + token, Reason: text}
}

func limitError(token reason.Code, text string) *Error {
	return &Error{Code: codeEnhanceYourCalm, Token: "hpack_" + token, Reason: text}
}

// One value per detection site. They are shared and hold no details of the block, so that a
// hostile peer cannot make failing expensive.
var (
	errVarintTruncated  = compressionError("varint_truncated", "block ends inside an integer")
	errVarintLong       = compressionError("varint_long", "integer is longer than ten bytes")
	errVarintOverflow   = compressionError("varint_overflow", "integer exceeds 32 bits")
	errIndexZero        = compressionError("index_zero", "indexed field with index 0")
	errIndexRange       = compressionError("index_range", "index beyond the end of the dynamic table")
	errNameIndexRange   = compressionError("name_index_range", "name index beyond the end of the dynamic table")
	errStringTruncated  = compressionError("string_truncated", "string is longer than the rest of the block")
	errStringMissing    = compressionError("string_missing", "block ends where a string should start")
	errStringLong       = compressionError("string_long", "string is longer than the hard limit of the header list")
	errUpdateLate       = compressionError("size_update_late", "table size update after the first field of a block")
	errUpdateCount      = compressionError("size_update_count", "more than two table size updates in a block")
	errUpdateRange      = compressionError("size_update_range", "table size update above SETTINGS_HEADER_TABLE_SIZE")
	errUpdateMissing    = compressionError("size_update_missing", "no table size update after SETTINGS_HEADER_TABLE_SIZE was reduced")
	errHuffmanEOS       = compressionError("huffman_eos", "huffman-coded string contains EOS")
	errHuffmanPadBits   = compressionError("huffman_padding_bits", "huffman padding is not all ones")
	errHuffmanPadLength = compressionError("huffman_padding_length", "huffman padding of eight or more bits")
	errListSize         = limitError("list_size", "header list exceeds the hard limit of its size")
	errListFields       = limitError("list_fields", "header list exceeds the hard limit of its fields")
)
