package connectivity_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/naru-rpc/naru/connectivity"
)

// The waits between attempts to connect, without their random part.
func ExampleBackoff_Delay() {
	b := connectivity.Backoff{BaseDelay: 100 * time.Millisecond, MaxDelay: time.Second, Multiplier: 2, Jitter: -1}
	for n := range 5 {
		fmt.Println(b.Delay(n, 0))
	}
	// Output:
	// 100ms
	// 200ms
	// 400ms
	// 800ms
	// 1s
}

// The error of a call that found no connection says why, to people and to programs.
func ExampleFailure() {
	err := fmt.Errorf("UNAVAILABLE: %w", &connectivity.Failure{
		Reason: connectivity.CertificateExpired, Address: "10.0.0.7:443", Text: "the certificate has expired",
	})
	var f *connectivity.Failure
	if errors.As(err, &f) && f.Reason == connectivity.CertificateExpired {
		fmt.Println("renew the certificate of", f.Address)
	}
	// Output: renew the certificate of 10.0.0.7:443
}
