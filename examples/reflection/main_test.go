package main

func Example() {
	main()
	// Output:
	// greeter.Greeter 4
	// grpc.reflection.v1.ServerReflection 1
	// grpc.reflection.v1alpha.ServerReflection 1
}
