package main

func Example() {
	main()
	// Output:
	// server: SERVING <nil>
	// greeter.Unknown: NOT_FOUND: health: service "greeter.Unknown" is not known
	// greeter.Greeter: SERVING
	// greeter.Greeter: NOT_SERVING
	// greeter.Greeter: SERVING
}
