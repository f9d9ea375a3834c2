// Package connectivity names the states of a client channel and of its connections, and
// explains why one is down: every failed connection attempt and every lost connection
// becomes a [Failure] with a [Reason] that programs can switch on and people can read.
//
// Errors of calls that no connection could be found for wrap the last Failure:
//
//	var f *connectivity.Failure
//	if errors.As(err, &f) && f.Reason == connectivity.CertificateExpired { ... }
package connectivity
