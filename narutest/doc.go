// Package narutest helps testing programs made with naru: a network in memory, a server and
// client in one line, and a check for goroutines left behind.
//
//	func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }
//
//	func TestShop(t *testing.T) {
//		client := narutest.Serve(t, func(s naru.ServiceRegistrar) {
//			pb.RegisterProductInfoServer(s, &shop{})
//		})
//		id, err := pb.NewProductInfoClient(client).AddProduct(t.Context(), product)
//		...
//	}
//
// A handler can also be called as the function it is: [NewCall] makes the context of a call without
// a client, and reads back the header and trailer the handler set; [NewStream] does the same for
// streaming methods.
//
// There are no sockets and no ports, so that tests may run in parallel and inside
// testing/synctest bubbles, where timeouts and keepalive pass in no time.
package narutest
