//go:build unix

package main

import "syscall"

const freeMemory = syscall.SIGUSR1
