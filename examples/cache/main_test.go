package main

func Example() {
	main()
	// Output:
	// Hello, Ana!
	// Hello, Ana!
	// FAILED_PRECONDITION: the server was already called
	// Hello from the fallback
}
