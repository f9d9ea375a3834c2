package main

func Example() {
	main()
	// Output:
	// gRPC: Hello, Ana!
	// HTTP/1.1: alive
}
