package grpcgo

import (
	"crypto/tls"
	"fmt"
	"reflect"
	"unsafe"

	"google.golang.org/grpc/credentials"
)

// transport is what credentials of a connection say: plaintext, or TLS by a configuration.
type transport struct {
	plain      bool
	config     *tls.Config // nil if plain
	serverName string      // the :authority the credentials ask for, "": none
}

// transportOf reads credentials made by credentials.NewTLS and its relatives, and by package
// insecure.
func transportOf(creds credentials.TransportCredentials) (transport, error) {
	if creds == nil {
		return transport{plain: true}, nil
	}
	info := creds.Info()
	if info.SecurityProtocol == "insecure" {
		return transport{plain: true}, nil
	}
	v := reflect.ValueOf(creds)
	if t := v.Type(); t.Kind() == reflect.Pointer && t.Elem().PkgPath() == "google.golang.org/grpc/credentials" && t.Elem().Name() == "tlsCreds" {
		f := v.Elem().FieldByName("config")
		if f.IsValid() && f.Type() == reflect.TypeFor[*tls.Config]() {
			config := *(**tls.Config)(unsafe.Pointer(f.UnsafeAddr()))
			//lint:ignore SA1019 where OverrideServerName leaves the name
			return transport{config: config.Clone(), serverName: info.ServerName}, nil
		}
	}
	return transport{}, fmt.Errorf("credentials of type %T (protocol %q) make their connections themselves, which naru has no place for: "+
		"use credentials.NewTLS, insecure.NewCredentials, or naru.WithTLS with a tls.Config of theirs", creds, info.SecurityProtocol)
}
