package main

func Example() {
	main()
	// Output:
	// registry:///greeter Hello, Ada! false
	// registry:///barker  true
}
