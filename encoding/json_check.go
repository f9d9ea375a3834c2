package encoding

import "fmt"

// Work that nested google.protobuf.Any may make, in bytes read again: times the length of the
// message, and as much in any case.
const (
	anyWorkFactor = 8
	anyWorkLeast  = 64 << 10
)

// checkJSON bounds what decoding src may cost, in one pass and without judging whether it is JSON.
// It counts how deep brackets nest, and the lengths of objects that may be a google.protobuf.Any:
// the decoder reads each of them to its end for the name of its type before it decodes it, so that
// Anys inside each other take time by the square of their number.
func checkJSON(src []byte, depth int) error {
	var open [DefaultMaxDepth]jsonOpen
	stack := open[:0]
	work := 0
	for i := 0; i < len(src); i++ {
		switch src[i] {
		case '"':
			end, escaped := jsonString(src, i)
			if n := len(stack); n > 0 && isKey(src, end) && (escaped || i+1 < end && src[i+1] == '@') {
				stack[n-1].any = true
			}
			i = end
		case '{', '[':
			if len(stack) == depth {
				return depthError("json", depth, "JSONDepth")
			}
			stack = append(stack, jsonOpen{at: i})
		case '}', ']':
			n := len(stack)
			if n == 0 {
				return nil // no JSON, as the decoder will find as well
			}
			if o := stack[n-1]; o.any {
				work += i - o.at
			}
			stack = stack[:n-1]
		}
	}
	if most := anyWorkFactor*len(src) + anyWorkLeast; work > most {
		return fmt.Errorf("encoding: json unmarshal: values of google.protobuf.Any are nested so that %d bytes would be read for a message of %d, the limit is %d",
			work, len(src), most)
	}
	return nil
}

// jsonOpen is an object or array that has begun.
type jsonOpen struct {
	at  int
	any bool // it has a key that may be "@type"
}

// jsonString returns the index of the quote that ends the string which begins at i, and whether
// there is an escape in it.
func jsonString(src []byte, i int) (end int, escaped bool) {
	for end = i + 1; end < len(src); end++ {
		switch src[end] {
		case '\\':
			escaped = true
			end++
		case '"':
			return end, escaped
		}
	}
	return len(src), escaped
}

// isKey reports whether a colon follows the string that ends at end.
func isKey(src []byte, end int) bool {
	for i := end + 1; i < len(src); i++ {
		switch src[i] {
		case ' ', '\t', '\n', '\r':
		default:
			return src[i] == ':'
		}
	}
	return false
}
