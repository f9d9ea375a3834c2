package main

func Example() {
	main()
	// Output:
	// client: SayHello starts
	// server: SayHello starts
	// server: SayHello ended: UNAUTHENTICATED
	// client: SayHello ended: UNAUTHENTICATED
	// UNAUTHENTICATED: say please
	// client: SayHelloInEveryLanguage starts
	// server: SayHelloInEveryLanguage starts
	// server: SayHelloInEveryLanguage ended: OK
	// client: SayHelloInEveryLanguage ended: OK
	// 4 greetings
}
