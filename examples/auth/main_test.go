package main

func Example() {
	main()
	// Output:
	// a token: Hello, robot-7!
	// a password: PERMISSION_DENIED: the server's policy does not allow this caller to call this method
	// a wrong one: UNAUTHENTICATED: the user name or the password is wrong
	// nothing: UNAUTHENTICATED: the call has no credentials: this server accepts Bearer, Basic
}
