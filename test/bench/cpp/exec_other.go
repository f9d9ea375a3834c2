//go:build !unix

package cpp

func execve(string, []string) error { return ErrMissing }
