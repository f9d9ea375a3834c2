package layers

import "strings"

const modulePath = "github.com/naru-rpc/naru"

// A tree is a folder tree whose packages may import each other freely. Its group decides what else
// they may import.
type tree struct {
	path  string // relative to the module root; "" is the root package alone
	group int
}

// trees lists every tree of the runtime module. The longest matching path wins. A package in none
// of them fails the test: give it a group before others import it.
var trees = []tree{
	{"internal/mem", 0},
	{"internal/leak", 0},
	{"internal/memnet", 0},
	{"internal/wellknown", 0},
	{"internal/reason", 0},
	{"internal/brief", 0},
	{"internal/logs", 0},
	{"internal/tlstext", 0},
	{"internal/layers", 0},

	{"codes", 1},
	{"status", 1},
	{"metadata", 1},
	{"encoding", 1},
	{"limits", 1},
	{"credentials", 1},
	{"resolver", 1},
	{"balancer", 1},
	{"connectivity", 1},
	{"serviceconfig", 1},
	{"web", 1},
	{"stats", 1},
	{"codegen", 1},

	{"internal/h2", 2},
	{"internal/transport", 3},
	{"internal/call", 4},
	{"internal/serve", 5},
	{"internal/channel", 5},
	{"internal/webcall", 5},
	{"internal/handler", 5},
	{"", 6},
	{"stub", 7},

	{"health", 8},
	{"reflection", 8},
	{"channelz", 8},
	{"auth", 8}, {"auth/policy", 9},
	{"middleware", 8},
	{"narutest", 8},

	{"cmd/protoc-gen-naru", 9},
	{"internal/features", 9}, // tests of the public API alone
}

// A group is what its trees have in common, whether they may import each other, and what an import
// from a higher group would cost.
type group struct {
	name     string
	sideways bool
	whyNotUp string
}

var groups = [...]group{
	0: {"helpers", true, "a helper that knows its users cannot be used by the others"},
	1: {"values and interfaces", true, "leaves are imported by generated code and by users' libraries: an import from a higher group drags the whole stack into both, and closes a cycle as soon as the stack wants the leaf"},
	2: {"the HTTP/2 protocol, pure", false, "protocol code that reaches connections or calls cannot be tested with bytes and times alone, nor read beside the RFC"},
	3: {"connections", false, "a transport that knows RPCs cannot carry anything else, and a second transport would have to copy what it knows"},
	4: {"one RPC", false, "one call must not know who dispatches it: server, channel and in-process calls share this code"},
	5: {"server and channel", false, "server and channel are assembled by the root package; each of them must be usable, and testable, without the other and without the options"},
	6: {"the public API", false, "what is built on the public API proves that the API suffices; the API itself must not need it"},
	7: {"what generated code is made of", false, "generated code is in packages of every kind; what it needs must not bring in more"},
	8: {"built on the public API", false, "these packages are linked by choice: one needing another would force the choice"},
	9: {"programs", false, "programs are not libraries"},
}

// A ban forbids packages under From to import packages under Import, whatever the groups allow.
// Standard library paths are allowed on the right; a trailing "/..." includes what lies below.
type ban struct {
	from, imports, why string
}

var bans = []ban{
	{"internal/h2/...", "net", "internal/h2 is pure: bytes and times in, events and bytes out; connections are internal/transport's"},
	{"internal/h2/...", "net/...", "as net; net/http and x/net types would also tie our wire code to theirs"},
	{"internal/h2/...", "os", "internal/h2 is pure: no files, no environment"},
	{"internal/h2/...", "syscall", "internal/h2 is pure"},
	{"internal/h2/...", "context", "internal/h2 waits for nothing: time is an argument, cancellation an event"},
	{"internal/h2/...", "log/...", "internal/h2 reports by events; who logs them is decided above"},
	{"internal/h2/...", "google.golang.org/...", "HTTP/2 knows no messages"},
	{"internal/transport/...", "google.golang.org/...", "a transport moves bytes; messages are internal/call/wire's"},
	{"internal/transport/...", "net/http", "our connections are our own; the adapter for http.Handler stands above"},

	{"internal/call/client/...", "internal/call/server/...", "the two sides of a call have in common what is on the wire, and nothing else"},
	{"internal/call/server/...", "internal/call/client/...", "as internal/call/client"},
	{"internal/call/wire/...", "internal/call/client/...", "what both sides share knows neither"},
	{"internal/call/wire/...", "internal/call/server/...", "what both sides share knows neither"},
	{"internal/serve/...", "internal/call/client/...", "a server makes no calls"},
	{"internal/channel/...", "internal/call/server/...", "a client serves no calls"},

	{"codes", "internal/...", "a public leaf that needs internal packages cannot be copied, vendored or understood alone"},
	{"status", "internal/...", "as codes"},
	{"metadata", "internal/...", "as codes"},
	{"resolver/...", "internal/...", "a user's own resolver sees only what this package exports; so do ours"},
	{"balancer/...", "internal/...", "a user's own balancer sees only what this package exports; so do ours"},
	{"serviceconfig", "internal/...", "as codes"},
	{"limits", "internal/...", "as codes"},

	{"...", "unsafe", "memory safety is a promise; a trick that needs unsafe needs a row here first"},
	{"...", "plugin", "no dynamic code"},
	{"...", "expvar", "registers an HTTP handler for every user"},
	{"...", "net/http/pprof", "registers HTTP handlers for every user"},
}

// An exemption lifts one ban, or one upward import, for one package.
type exemption struct {
	from, imports, why string
}

var exemptions = []exemption{
	{"internal/transport/nethttp", "net/http", "it carries calls over net/http's requests, and nothing else imports it but internal/serve"},
	{"health/healthpb", "unsafe", "protoc-gen-go turns its descriptor, a string constant, into bytes without a copy"},
	{"reflection/reflectionpb", "unsafe", "as health/healthpb"},
}

// runtimeModules may be linked into a program that uses the runtime.
var runtimeModules = map[string]string{
	modulePath:                      "ourselves",
	"google.golang.org/protobuf":    "messages",
	"github.com/klauspost/compress": "zstd, and a faster gzip",
	"golang.org/x/sys":              "what klauspost/compress asks the processor through",
}

// directRequires is the exact list of direct requirements in the runtime's go.mod.
var directRequires = map[string]string{
	"google.golang.org/protobuf":    "messages",
	"github.com/klauspost/compress": "zstd, and a faster gzip",
	"github.com/google/go-cmp":      "tests only",
}

// treeOf returns the tree of an import path within the module.
func treeOf(pkg string) (tree, bool) {
	rel, ours := relative(pkg)
	if !ours {
		return tree{}, false
	}
	best, found := tree{}, false
	for _, r := range trees {
		match := rel == r.path || r.path != "" && strings.HasPrefix(rel, r.path+"/")
		if match && (!found || len(r.path) > len(best.path)) {
			best, found = r, true
		}
	}
	return best, found
}

// relative turns an import path into one relative to the module root.
func relative(pkg string) (string, bool) {
	if pkg == modulePath {
		return "", true
	}
	return strings.CutPrefix(pkg, modulePath+"/")
}

// under reports whether a path is matched by pattern: itself, or with a trailing "/..." itself
// and everything below; "..." alone matches all.
func under(path, pattern string) bool {
	if pattern == "..." {
		return true
	}
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == base || strings.HasPrefix(path, base+"/")
	}
	return path == pattern
}
