package mem

import (
	"testing"
	"testing/fstest"
)

func TestAvailable(t *testing.T) {
	const meminfo = "MemTotal:       24689764 kB\nMemFree:        20000000 kB\n"
	cases := []struct {
		name  string
		files map[string]string
		want  uint64
	}{
		{"nothing to be seen", nil, 0},
		{"the machine's", map[string]string{"proc/meminfo": meminfo}, 24689764 << 10},
		{"a container's", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n",
			"sys/fs/cgroup/memory.max": "536870912\n"}, 512 << 20},
		{"no limit", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n",
			"sys/fs/cgroup/memory.max": "max\n"}, 24689764 << 10},
		{"of a group above", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/system.slice/a.service\n",
			"sys/fs/cgroup/system.slice/memory.max": "1073741824\n", "sys/fs/cgroup/system.slice/a.service/memory.max": "max\n"}, 1 << 30},
		{"version 1", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "4:memory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "268435456\n"}, 256 << 20},
		{"version 1 without a limit", map[string]string{"proc/meminfo": meminfo,
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 24689764 << 10},
		{"what is no number", map[string]string{"proc/meminfo": "MemTotal: many kB\n", "proc/self/cgroup": "0::/../../x\n"}, 0},
	}
	for _, c := range cases {
		root := fstest.MapFS{}
		for name, text := range c.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := availableIn(root); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	if available() == 0 {
		t.Error("nothing known of this machine")
	}
}
