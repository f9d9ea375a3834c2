package peers

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"testing"

	"github.com/naru-rpc/naru/examples/shop"
	"github.com/naru-rpc/naru/examples/shop/store"
)

// mountedStack is a naru server that serves as the handler of a net/http server, and naru's client.
var mountedStack = stack{
	name: "naru in net/http",
	serve: func(t *testing.T, lis net.Listener, security *tls.Config, st *store.Store) {
		srv := newNaruServer(t, nil)
		shop.Register(srv, st)
		hs := &http.Server{Handler: srv, TLSConfig: security, Protocols: new(http.Protocols)}
		hs.Protocols.SetHTTP2(true)
		hs.Protocols.SetUnencryptedHTTP2(true)
		ended := make(chan error, 1)
		go func() {
			if security != nil {
				ended <- hs.ServeTLS(lis, "", "")
			} else {
				ended <- hs.Serve(lis)
			}
		}()
		t.Cleanup(func() {
			_ = srv.Close()
			_ = hs.Close()
			if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
				t.Errorf("net/http server: %v, want ErrServerClosed", err)
			}
		})
	},
	dial: naruStack.dial,
}
