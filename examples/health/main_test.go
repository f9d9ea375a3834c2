package main

func Example() {
	main()
	// Output:
	// server: SERVING <nil>
	// greeter.Unknown: NOT_FOUND: unknown service
	// greeter.Greeter: SERVING
	// greeter.Greeter: NOT_SERVING
	// greeter.Greeter: SERVING
}
