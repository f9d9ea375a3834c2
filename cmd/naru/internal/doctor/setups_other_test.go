//go:build !linux

package doctor_test

var systemSetups []setup
