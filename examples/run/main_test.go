package main

func Example() {
	main()
	// Output:
	// Hello, Ana!
	// Goodbye, Ana!
	// the server ended: <nil>
}
