package outside

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// Python runs the suites with Python's grpcio.
func Python(ctx context.Context, t *Tree) []*Result {
	interpreter := ""
	return runLanguage(ctx, t, language{
		suite: "Python grpcio",
		needs: "Debian's python3-grpcio, python3-protobuf and protobuf-compiler, or the same from elsewhere",
		prepare: func(ctx context.Context, t *Tree, f *foreign) error {
			var err error
			if interpreter, err = findPython(ctx); err != nil {
				return err
			}
			return f.protoc(ctx, "--python_out="+f.dir)
		},
		command: func(t *Tree, f *foreign, program string) (argv, env []string) {
			return []string{interpreter, filepath.Join(t.Root, "test", "foreign", "python", program+".py")},
				[]string{"PYTHONPATH=" + f.dir, "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1"}
		},
	})
}

// findPython returns an interpreter that has what is needed: the first one found need not.
func findPython(ctx context.Context) (string, error) {
	var last error
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		out, err := exec.CommandContext(ctx, name, "-c", "import grpc, google.protobuf").CombinedOutput()
		if err == nil {
			return name, nil
		}
		last = fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return "", last
}

// Node runs the suites with Node's grpc-js.
func Node(ctx context.Context, t *Tree) []*Result {
	return runLanguage(ctx, t, language{
		suite: "Node grpc-js",
		needs: "node 18 or later and npm, which fetches the packages that package.json pins",
		prepare: func(ctx context.Context, t *Tree, f *foreign) error {
			// Node looks for packages beside the program.
			if err := os.CopyFS(f.dir, os.DirFS(filepath.Join(t.Root, "test", "foreign", "node"))); err != nil {
				return err
			}
			return runIn(ctx, f.dir, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
		},
		command: func(t *Tree, f *foreign, program string) (argv, env []string) {
			return []string{"node", filepath.Join(f.dir, program+".js")}, []string{"SHOP_DESCRIPTORS=" + f.descriptors}
		},
	})
}

// CPP runs the suites with gRPC C++.
func CPP(ctx context.Context, t *Tree) []*Result {
	return runLanguage(ctx, t, language{
		suite: "gRPC C++",
		needs: "g++ and Debian's libgrpc++-dev, protobuf-compiler and protobuf-compiler-grpc, or the same from elsewhere",
		prepare: func(ctx context.Context, t *Tree, f *foreign) error {
			plugin, err := exec.LookPath("grpc_cpp_plugin")
			if err != nil {
				return err
			}
			if err := f.protoc(ctx, "--cpp_out="+f.dir, "--grpc_out="+f.dir, "--plugin=protoc-gen-grpc="+plugin); err != nil {
				return err
			}
			return f.compileCPP(ctx, filepath.Join(t.Root, "test", "foreign", "cpp"))
		},
		command: func(t *Tree, f *foreign, program string) (argv, env []string) {
			return []string{filepath.Join(f.dir, program)}, nil
		},
	})
}

// Java runs the suites with grpc-java on Netty.
func Java(ctx context.Context, t *Tree) []*Result {
	// Where Debian puts jars. Both folders of -cp: what is compiled here comes first.
	const jars = "/usr/share/java/*"
	return runLanguage(ctx, t, language{
		suite: "grpc-java",
		// Debian's Netty finds no ALPN in current JDKs, and gRPC needs it.
		onlyPlaintext: true,
		needs: "a JDK and Debian's libgrpc-java, libnetty-java, libprotobuf-java, libperfmark-java, libgoogle-gson-java, " +
			"libgeronimo-annotation-1.3-spec-java, protobuf-compiler and protobuf-compiler-grpc-java-plugin",
		prepare: func(ctx context.Context, t *Tree, f *foreign) error {
			plugin, err := exec.LookPath("grpc_java_plugin")
			if err != nil {
				return err
			}
			if err := f.protoc(ctx, "--java_out="+f.dir, "--grpc-java_out="+f.dir, "--plugin=protoc-gen-grpc-java="+plugin); err != nil {
				return err
			}
			sources, err := filesBelow(f.dir, ".java")
			if err != nil {
				return err
			}
			own := filepath.Join(t.Root, "test", "foreign", "java")
			sources = append(sources, filepath.Join(own, "client.java"), filepath.Join(own, "server.java"))
			return runIn(ctx, f.dir, "javac", append([]string{"-nowarn", "-cp", jars, "-d", "."}, sources...)...)
		},
		command: func(t *Tree, f *foreign, program string) (argv, env []string) {
			return []string{"java", "-cp", f.dir + ":" + jars, program}, nil
		},
	})
}

// protoc runs protoc on the shop's descriptors.
func (f *foreign) protoc(ctx context.Context, args ...string) error {
	args = append(args, "--descriptor_set_in="+f.descriptors)
	return runIn(ctx, f.dir, "protoc", append(args, shopProtos...)...)
}

// compileCPP compiles what protoc generated, once, and links client and server with it.
func (f *foreign) compileCPP(ctx context.Context, sources string) error {
	generated, err := filesBelow(f.dir, ".cc")
	if err != nil {
		return err
	}
	if err := runIn(ctx, f.dir, "g++", append([]string{"-std=c++17", "-O0", "-I.", "-c"}, generated...)...); err != nil {
		return err
	}
	objects, err := filepath.Glob(filepath.Join(f.dir, "*.o"))
	if err != nil {
		return err
	}
	for _, program := range []string{"client", "server"} {
		args := []string{"-std=c++17", "-O0", "-I.", "-o", program, filepath.Join(sources, program+".cc")}
		// The headers use libraries (Abseil) that only gRPC itself names: taken over from it.
		args = append(append(args, objects...), "-Wl,--copy-dt-needed-entries", "-lgrpc++", "-lgrpc", "-lgpr", "-lprotobuf", "-lpthread")
		if err := runIn(ctx, f.dir, "g++", args...); err != nil {
			return err
		}
	}
	return nil
}

// filesBelow returns the files below dir whose names end in ext.
func filesBelow(dir, ext string) (files []string, err error) {
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ext {
			files = append(files, path)
		}
		return err
	})
	return files, err
}

func runIn(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, tail(string(out), 4000))
	}
	return nil
}
