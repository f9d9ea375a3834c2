package shop

import (
	"fmt"
	"math"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/examples/shop/ecommerce"
	"github.com/naru-rpc/naru/status"
)

// Lengths are in bytes.
const (
	maxID          = 128
	maxName        = 256
	maxDescription = 4096
	maxItems       = 100
)

// violations are the fields of a message that are wrong, for a google.rpc.BadRequest.
type violations []*errdetails.BadRequest_FieldViolation

func (v *violations) add(field, format string, args ...any) {
	*v = append(*v, &errdetails.BadRequest_FieldViolation{Field: field, Description: fmt.Sprintf(format, args...)})
}

// text checks a string: its length, and that it has no NUL, at which SQLite's functions end a text.
func (v *violations) text(field, value string, most int) {
	switch {
	case len(value) > most:
		v.add(field, "has %d bytes, the most is %d", len(value), most)
	case strings.ContainsRune(value, 0):
		v.add(field, "contains a NUL character")
	}
}

func (v *violations) price(value float32) {
	if p := float64(value); math.IsNaN(p) || math.IsInf(p, 0) || p < 0 {
		v.add("price", "is %v: want a number that is not negative", value)
	}
}

// err returns the violations as an error: every one in the details, the first in the message too.
func (v violations) err(what string) error {
	if len(v) == 0 {
		return nil
	}
	s := status.Newf(codes.InvalidArgument, "the %s is not valid: %s %s", what, v[0].GetField(), v[0].GetDescription())
	detailed, err := s.WithDetails(&errdetails.BadRequest{FieldViolations: v})
	if err != nil { // the sender's text was not UTF-8: the message alone has to do
		return s.Err()
	}
	return detailed.Err()
}

func checkProduct(p *ecommerce.Product) error {
	var v violations
	if p.GetName() == "" {
		v.add("name", "is empty")
	}
	v.text("name", p.GetName(), maxName)
	v.text("description", p.GetDescription(), maxDescription)
	v.price(p.GetPrice())
	return v.err("product")
}

func checkOrder(o *ecommerce.Order) error {
	var v violations
	switch o.GetId() {
	case "":
		v.add("id", "is empty")
	case "-1":
		v.add("id", "is -1, which is not the id of an order")
	}
	v.text("id", o.GetId(), maxID)
	if len(o.GetItems()) > maxItems {
		v.add("items", "has %d entries, the most is %d", len(o.GetItems()), maxItems)
	} else {
		for i, item := range o.GetItems() {
			v.text(fmt.Sprintf("items[%d]", i), item, maxName)
		}
	}
	v.text("description", o.GetDescription(), maxDescription)
	v.price(o.GetPrice())
	v.text("destination", o.GetDestination(), maxName)
	return v.err("order")
}
