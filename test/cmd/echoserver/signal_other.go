//go:build !unix

package main

import "syscall"

// freeMemory is a signal that nothing sends here.
const freeMemory = syscall.Signal(-1)
