package main

func Example() {
	main()
	// Output:
	// Hello, Ana!
	// code: INVALID_ARGUMENT
	// message: nobody to greet
	// detail: name is empty
	// code: INTERNAL
	// message: the handler panicked
}
