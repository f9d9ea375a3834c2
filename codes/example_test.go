package codes_test

import (
	"encoding/json"
	"fmt"

	"github.com/naru-rpc/naru/codes"
)

// A code is its canonical name as text and in JSON.
func ExampleCode() {
	text, err := json.Marshal(map[string]codes.Code{"code": codes.NotFound})
	fmt.Println(string(text), err)
	fmt.Println(codes.Code(99), codes.Code(99).Canonical())
	// Output:
	// {"code":"NOT_FOUND"} <nil>
	// CODE(99) UNKNOWN
}

// Parse reads what people write in configurations.
func ExampleParse() {
	fmt.Println(codes.Parse("UNAVAILABLE"))
	_, err := codes.Parse("UNAVAILABEL")
	fmt.Println(err)
	// Output:
	// UNAVAILABLE <nil>
	// codes: parse: "UNAVAILABEL" is neither a code's name nor a number from 0 to 16
}
