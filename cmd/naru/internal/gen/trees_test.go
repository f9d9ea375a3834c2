//go:build trees

package gen

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/gomod"
	"github.com/naru-rpc/naru/cmd/naru/internal/protosrc"
)

// scripts/trees runs this: naru gen at the root of public repositories, and the messages it writes
// beside those of protoc with protoc-gen-go. It prints the table in
// docs/engineering/codegen-trees.md.

var treesDir = flag.String("trees", "", "`folder` with a git repository OWNER+NAME (or OWNER+NAME/repo) for each line of the list")

// tree is a line of testdata/trees.txt: a repository, its commit, and modules of its go.mod to have
// in the module cache, as after a build.
type tree struct {
	name, commit string
	modules      []string
}

func TestTrees(t *testing.T) {
	list, err := os.ReadFile("testdata/trees.txt")
	if err != nil {
		t.Fatal(err)
	}
	plugin := filepath.Join(t.TempDir(), "protoc-gen-go")
	if out, err := exec.Command("go", "build", "-o", plugin, "google.golang.org/protobuf/cmd/protoc-gen-go").CombinedOutput(); err != nil {
		t.Fatalf("protoc-gen-go: %v\n%s", err, out)
	}
	counts := map[string]int{}
	for line := range strings.Lines(string(list)) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] == "#" {
			continue
		}
		tr := tree{words[0], words[1], words[2:]}
		t.Run(tr.name, func(t *testing.T) {
			outcome, note := tr.try(t, plugin)
			counts[outcome]++
			fmt.Printf("| %s | %s | %s | %s |\n", tr.name, tr.commit, outcome, note)
		})
	}
	fmt.Println(counts)
}

// try generates from one tree and says how that ended.
func (tr tree) try(t *testing.T, plugin string) (outcome, note string) {
	dir := tr.checkout(t)
	run := func(args ...string) (int, string) {
		var stderr strings.Builder
		env := &cli.Env{Stdout: &stderr, Stderr: &stderr, Dir: dir, Getenv: os.Getenv}
		verb := New(env)
		verb.SetArgs(args)
		verb.SilenceErrors, verb.SilenceUsage = true, true
		err := verb.ExecuteContext(context.Background())
		if err != nil {
			fmt.Fprintf(&stderr, "%v\n", err)
			return 1, stderr.String()
		}
		return 0, stderr.String()
	}
	if code, text := run("-q", "--only", "messages", "--max-errors", "0"); code != 0 {
		return refusal(text)
	}
	equal, different, refused := compareTree(t, dir, plugin)
	if len(different) > 0 {
		return "different", fmt.Sprintf("%d of %d files, first %s", len(different), equal+len(different), different[0])
	}
	if refused != "" {
		return "sound", fmt.Sprintf("%d files equal; protoc: %s", equal, refused)
	}
	return "sound", fmt.Sprintf("%d files equal", equal)
}

var errorLine = regexp.MustCompile(`(?m)^(?:(\S+?):\d+:\d+: )?error: (.*)$`)

// refusal sorts an error into one of the classes of the table, with the first error as the note.
// The class import missing is for trees in which nothing else is wrong.
func refusal(text string) (outcome, note string) {
	outcome = "import missing"
	for _, m := range errorLine.FindAllStringSubmatch(text, -1) {
		switch message := m[2]; {
		case strings.Contains(message, "not found"):
			if note == "" {
				note = message
			}
			continue
		case strings.HasSuffix(message, "nothing was written"):
			continue
		case strings.Contains(message, "is defined twice"), strings.Contains(message, "which is taken"), strings.Contains(message, "one file by two names"):
			return "duplicates", message
		default:
			return "error in the files", message
		}
	}
	if note == "" {
		last := strings.TrimSpace(text)
		last = last[strings.LastIndexByte(last, '\n')+1:]
		switch {
		case strings.Contains(text, "no option go_package"):
			return "no go_package", last
		case strings.Contains(text, "would both be written to"):
			return "duplicates", last
		}
		return "other", last
	}
	return outcome, note
}

// checkout writes the .proto files, go.mod and go.work of the tree to a new folder and loads
// modules.
func (tr tree) checkout(t *testing.T) string {
	git := filepath.Join(*treesDir, strings.ReplaceAll(tr.name, "/", "+"))
	for _, sub := range []string{"repo", ".git"} {
		if _, err := os.Stat(filepath.Join(git, sub)); err == nil {
			git = filepath.Join(git, sub)
			break
		}
	}
	if _, err := os.Stat(git); err != nil {
		t.Skipf("no repository of %s", tr.name)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".git"), 0o777); err != nil {
		t.Fatal(err)
	}
	command := func(stdin []byte, args ...string) []byte {
		cmd := exec.Command("git", append([]string{"-c", "safe.directory=*", "--git-dir=" + git, "--work-tree=" + dir}, args...)...)
		cmd.Dir, cmd.Stdin = dir, bytes.NewReader(stdin)
		cmd.Env = append(os.Environ(), "GIT_INDEX_FILE="+filepath.Join(dir, ".git", "index"))
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("git %s: %v", args[0], err)
		}
		return out
	}
	var wanted [][]byte
	for _, path := range bytes.Split(command(nil, "ls-tree", "-r", "-z", "--name-only", tr.commit), []byte{0}) {
		base := filepath.Base(string(path))
		if strings.HasSuffix(base, ".proto") || base == "go.mod" || base == "go.sum" || base == "go.work" {
			wanted = append(wanted, path)
		}
	}
	command(bytes.Join(wanted, []byte{0}), "checkout", tr.commit, "--pathspec-from-file=-", "--pathspec-file-nul")
	for _, m := range tr.modules {
		cmd := exec.Command("go", "mod", "download", m)
		cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Logf("%s: %v\n%s", m, err, out)
		}
	}
	return dir
}

// compareTree compares what is in dir with what protoc and protoc-gen-go make of the same files,
// under the same names. refused is what protoc said if it could not read them.
func compareTree(t *testing.T, dir, plugin string) (equal int, different []string, refused string) {
	written := writtenMessages(t, dir)
	env := &cli.Env{Dir: dir, Getenv: os.Getenv}
	c := &config{modules: gomod.New(os.Getenv), only: "messages"}
	in, err := c.findInputs(env)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := c.groups(env, in)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		result := protosrc.Compile(protosrc.Sources{Roots: g.Roots, Paths: g.Paths, Aliases: g.Aliases}, g.Names)
		wanted := map[string]bool{}
		for _, name := range g.Names {
			wanted[name] = true
		}
		targets, err := newPlanner(env, c, result).plan(wanted)
		if err != nil {
			t.Fatal(err)
		}
		src, out := t.TempDir(), t.TempDir()
		builtin := &descriptorpb.FileDescriptorSet{}
		args := []string{"-I" + src, "--plugin=" + plugin, "--go_out=" + out, "--go_opt=paths=source_relative"}
		for _, f := range result.Files {
			path := g.Paths[f.GetName()]
			if !strings.HasSuffix(path, ".proto") {
				builtin.File = append(builtin.File, f)
			} else if err := copyFile(filepath.Join(src, filepath.FromSlash(f.GetName())), path); err != nil {
				t.Fatal(err)
			}
			if target := targets[f.GetName()]; !target.explicit {
				option := "M" + f.GetName() + "=" + target.importPath
				if target.name != "" {
					option += ";" + target.name
				}
				args = append(args, "--go_opt="+option)
			}
		}
		raw, err := proto.Marshal(builtin)
		if err == nil {
			err = os.WriteFile(filepath.Join(out, "builtin.binpb"), raw, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, "--descriptor_set_in="+filepath.Join(out, "builtin.binpb"))
		for name := range wanted {
			args = append(args, name)
		}
		slices.Sort(args[len(args)-len(wanted):])
		file := filepath.Join(out, "args")
		if err := os.WriteFile(file, []byte(strings.Join(args, "\n")), 0o666); err != nil {
			t.Fatal(err)
		}
		if text, err := exec.Command("protoc", "@"+file).CombinedOutput(); err != nil {
			refused, _, _ = strings.Cut(strings.ReplaceAll(string(text), src+"/", ""), "\n")
			continue
		}
		for name := range wanted {
			want, err := os.ReadFile(filepath.Join(out, strings.TrimSuffix(filepath.FromSlash(name), ".proto")+".pb.go"))
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if slices.ContainsFunc(written[name], func(got []byte) bool { return bytes.Equal(got, compilerVersion.ReplaceAll(want, nil)) }) {
				equal++
			} else {
				different = append(different, name)
			}
		}
	}
	slices.Sort(different)
	return equal, different, refused
}

var compilerVersion = regexp.MustCompile(`(?m)^// \tprotoc .*$`)

// writtenMessages returns the code in dir by the name of its source.
func writtenMessages(t *testing.T, dir string) map[string][][]byte {
	written := map[string][][]byte{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".pb.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if m := sourceLine.FindSubmatch(text); m != nil {
			name := string(m[1]) + string(m[2])
			written[name] = append(written[name], compilerVersion.ReplaceAll(text, nil))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return written
}

func copyFile(to, from string) error {
	text, err := os.ReadFile(from)
	return errors.Join(err, os.MkdirAll(filepath.Dir(to), 0o777), os.WriteFile(to, text, 0o666))
}
