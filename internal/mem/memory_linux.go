package mem

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// available returns how much memory the process may use: that of the machine, or less if a control
// group it is in has a limit. 0: not known.
func available() uint64 { return availableIn(os.DirFS("/")) }

// availableIn looks where Linux tells: /proc/meminfo, and the limits of version 2 and 1 of control
// groups (https://docs.kernel.org/admin-guide/cgroup-v2.html, memory.max).
func availableIn(root fs.FS) uint64 {
	least := uint64(0)
	note := func(n uint64) {
		if n > 0 && (least == 0 || n < least) {
			least = n
		}
	}
	meminfo, _ := fs.ReadFile(root, "proc/meminfo")
	for line := range bytes.Lines(meminfo) {
		if rest, ok := bytes.CutPrefix(line, []byte("MemTotal:")); ok {
			note(number(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte(" kB"))) << 10)
		}
	}
	groups, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range bytes.Lines(groups) {
		// "0::/path" is the group of version 2. A container sees its own as "/".
		if group, ok := strings.CutPrefix(string(bytes.TrimSpace(line)), "0::/"); ok {
			for dir := path.Join("sys/fs/cgroup", group); len(dir) >= len("sys/fs/cgroup"); dir = path.Dir(dir) {
				limit, _ := fs.ReadFile(root, path.Join(dir, "memory.max"))
				note(number(limit)) // "max" is no number
			}
		}
	}
	limit, _ := fs.ReadFile(root, "sys/fs/cgroup/memory/memory.limit_in_bytes")
	note(number(limit)) // without a limit more than any machine has
	return least
}

func number(b []byte) uint64 {
	n, err := strconv.ParseUint(string(bytes.TrimSpace(b)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
