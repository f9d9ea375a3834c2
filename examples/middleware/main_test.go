package main

func Example() {
	main()
	// Output:
	// level=ERROR msg=panic method=/greeter.Greeter/SayHello value="no name"
	// level=ERROR msg=call method=/greeter.Greeter/SayHello code=INTERNAL ended_by=server request_id=request-0 received=[{}]
	// client: INTERNAL: a bug; it has been reported
	// level=WARN msg=call method=/greeter.Greeter/SayHello code=DEADLINE_EXCEEDED ended_by=deadline request_id=request-1 received=[{name:[redacted]}]
	// client: DEADLINE_EXCEEDED: the call took longer than 200ms (middleware.Timeouts)
	// level=WARN msg=call method=/greeter.Greeter/SayHello code=UNAVAILABLE ended_by=server request_id=request-2 received=[]
	// client: UNAVAILABLE: a fault on purpose (middleware.Faults)
}
