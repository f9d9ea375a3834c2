package main

func Example() {
	main()
	// Output:
	// Hello, Ana!
	// 안녕하세요, Ana!
	// Bonjour, Ana!
	// Hello, Ana and Bora and Chidi!
	// Hello, Duc!
	// Hello, Eva!
	// Goodbye
	// no reply yet; the call goes on
	// Hello, Fan!
}
