package header

import (
	"strconv"

	"github.com/naru-rpc/naru/internal/reason"
)

// An Error says what is malformed in a field section. The stream ends with PROTOCOL_ERROR, the
// connection goes on.
type Error struct {
	// Token names the rule: short, stable, unique in this package.
	Token reason.Code
	// Reason says it for people.
	Reason string
	// Name is the field's name as received, "" if the rule is about a field that is missing.
	// The peer chose it, so it may be long and hold any byte.
	Name string
}

// maxName is how much of a peer's field name an error text repeats.
const maxName = 64

func (e *Error) Error() string {
	if e.Name == "" {
		return "malformed header section: " + e.Reason
	}
	return "malformed header section: " + e.Reason + ": " + strconv.QuoteToASCII(e.Name[:min(len(e.Name), maxName)])
}

// A rule is a detection site.
type rule struct {
	token reason.Code
	text  string
}

var (
	ruleNameEmpty     = rule{"header_name_empty", "field with an empty name"}
	ruleNameUpper     = rule{"header_name_uppercase", "upper case in a field name"}
	ruleNameChar      = rule{"header_name_char", "byte not allowed in a field name"}
	ruleValueChar     = rule{"header_value_char", "byte not allowed in a field value"}
	ruleValueSpace    = rule{"header_value_space", "field value starts or ends with white space"}
	ruleConnection    = rule{"header_connection_field", "connection-specific field"}
	ruleTE            = rule{"header_te", "te other than \"trailers\""}
	rulePseudoLate    = rule{"header_pseudo_late", "pseudo-header field after a regular field"}
	rulePseudoUnknown = rule{"header_pseudo_unknown", "pseudo-header field that is not defined here"}
	rulePseudoTwice   = rule{"header_pseudo_duplicate", "pseudo-header field more than once"}
	rulePseudoTrailer = rule{"header_pseudo_trailer", "pseudo-header field in a trailer section"}
	ruleMethodMissing = rule{"header_method_missing", "request without :method"}
	ruleMethodValue   = rule{"header_method_value", ":method is no token"}
	ruleSchemeMissing = rule{"header_scheme_missing", "request without :scheme"}
	ruleSchemeValue   = rule{"header_scheme_value", ":scheme is no URI scheme"}
	rulePathMissing   = rule{"header_path_missing", "request without :path"}
	rulePathEmpty     = rule{"header_path_empty", "request with an empty :path"}
	rulePathValue     = rule{"header_path_value", "byte not allowed in :path"}
	ruleConnectPath   = rule{"header_connect_path", "CONNECT with :scheme or :path"}
	ruleConnectAuth   = rule{"header_connect_authority", "CONNECT without :authority"}
	ruleHostTwice     = rule{"header_host_duplicate", "more than one host field"}
	ruleHostDiffers   = rule{"header_host_differs", "host differs from :authority"}
	ruleLengthValue   = rule{"header_content_length_value", "content-length is no number"}
	ruleLengthDiffers = rule{"header_content_length_differs", "content-length fields that differ"}
	ruleStatusMissing = rule{"header_status_missing", "response without :status"}
	ruleStatusValue   = rule{"header_status_value", ":status is no three-digit code"}
	ruleStatusSwitch  = rule{"header_status_101", ":status of 101, which HTTP/2 does not have"}
)

func (r rule) on(name string) *Error { return &Error{Token: r.token, Reason: r.text, Name: name} }
