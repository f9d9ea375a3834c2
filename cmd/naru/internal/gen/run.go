package gen

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/diag"
	"github.com/naru-rpc/naru/cmd/naru/internal/layout"
	"github.com/naru-rpc/naru/cmd/naru/internal/protosrc"
)

// run is the verb, from parsed flags on.
func run(ctx context.Context, env *cli.Env, c config) error {
	if err := c.validate(); err != nil {
		return err
	}
	in, err := c.findInputs(env)
	if err != nil {
		return err
	}
	groups, err := c.groups(env, in)
	if err != nil {
		return err
	}
	p := c.produceUntil(ctx, env, groups)
	if reportErr := c.report(env, p.findings); reportErr != nil {
		return reportErr
	}
	if p.err != nil {
		return p.err
	}
	outputs := append(p.outputs, c.leftovers(p.outputs)...)
	stale, err := c.findStale(env, in, groups, outputs)
	if err != nil {
		return err
	}
	c.noteForeign(env, in)
	return c.finish(env, append(outputs, stale...))
}

// produced is what produce gives.
type produced struct {
	findings *diag.List
	outputs  []output
	err      error
}

// produceUntil is produce, left to itself when ctx ends: the parser cannot be interrupted, and
// until something is written nothing is lost.
func (c *config) produceUntil(ctx context.Context, env *cli.Env, groups []layout.Group) produced {
	if err := ctx.Err(); err != nil {
		return produced{findings: &diag.List{}, err: err}
	}
	done := make(chan produced, 1) // one answer, wanted or not
	go func() {
		defer func() {
			if r := recover(); r != nil {
				done <- produced{findings: &diag.List{}, err: cli.Bug(r)}
			}
		}()
		done <- c.produce(env, groups)
	}()
	select {
	case p := <-done:
		return p
	case <-ctx.Done():
		return produced{findings: &diag.List{}, err: ctx.Err()}
	}
}

// groups returns the files with their import names.
func (c *config) groups(env *cli.Env, in *inputs) ([]layout.Group, error) {
	if len(c.protoPath) == 0 {
		return layout.Find(layout.Options{
			Dir: env.Dir, Bases: in.dirs, Files: in.files, Modules: c.modules,
			Shown: func(path string) string { return shown(env, path) },
		}), nil
	}
	roots, err := givenRoots(env, c.protoPath)
	if err != nil {
		return nil, err
	}
	names, err := givenNames(env, roots, in.files)
	return []layout.Group{{Roots: roots, Files: in.files, Names: names}}, err
}

// givenNames returns the import names of files below the import folders of the command line.
func givenNames(env *cli.Env, roots []protosrc.Root, files []string) ([]string, error) {
	var names []string
	for _, file := range files {
		name, hidden := protosrc.Name(roots, file)
		switch {
		case hidden != "":
			return nil, cli.WithHint(cli.Usagef("%s cannot be imported: %s has the same import name below an earlier -I folder",
				shown(env, file), shown(env, hidden)), "rename one, or give other folders with -I")
		case name == "":
			return nil, cli.WithHint(cli.Usagef("%s is below none of the import folders", shown(env, file)),
				"add a -I for the folder its imports start from")
		}
		names = append(names, name)
	}
	return names, nil
}

// produce returns what is wrong with the files and everything to write. After an error in a group
// the others are still checked.
func (c *config) produce(env *cli.Env, groups []layout.Group) produced {
	findings := &diag.List{}
	var outputs []output
	var firstErr error
	set := newDescriptorSet(c.setSource)
	twins := map[string]string{}
	for _, g := range groups {
		warnTwins(env, findings, twins, g.Names, g.Files)
		warnChoices(env, findings, g.Choices)
		result := protosrc.Compile(protosrc.Sources{Roots: g.Roots, Paths: g.Paths, Aliases: g.Aliases}, g.Names)
		err := c.addToSet(set, result)
		var more []output
		if err == nil {
			more, err = c.generate(env, result, g.Names)
		}
		findings.AddAll(result.Findings)
		outputs = append(outputs, more...)
		if firstErr == nil {
			firstErr = err
		}
	}
	if firstErr != nil {
		return produced{findings: findings, err: firstErr}
	}
	if c.setOut != "" {
		data, err := set.marshal()
		if err != nil {
			return produced{findings: findings, err: err}
		}
		outputs = append(outputs, output{path: env.Path(c.setOut), content: data, source: "the descriptor set"})
	}
	slices.SortFunc(outputs, func(a, b output) int { return strings.Compare(a.path, b.path) })
	return produced{findings, outputs, checkTwice(env, outputs)}
}

// generate returns the Go files for one group.
func (c *config) generate(env *cli.Env, result *protosrc.Result, names []string) ([]output, error) {
	if errs, _ := result.Findings.Count(); errs > 0 {
		return nil, errFindings
	}
	wanted := map[string]bool{}
	for _, n := range names {
		wanted[n] = true
	}
	targets, err := newPlanner(env, c, result).plan(wanted)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !wanted[n] })
	return generate(c, result, names, targets)
}

// warnTwins warns of files of several groups that go by one name. Each group is fine by itself, but
// the names are keys of protobuf's registry, which is one per program.
func warnTwins(env *cli.Env, findings *diag.List, twins map[string]string, names, files []string) {
	for i, name := range names {
		if other, ok := twins[name]; ok {
			findings.Add(&diag.Diagnostic{
				Severity: diag.Warning,
				Place:    diag.Place{File: shown(env, files[i])},
				Message:  fmt.Sprintf("has the import name %s, as has %s: a program that links the code of both panics when it starts (file is already registered)", name, shown(env, other)),
				Hint:     "with -I . import names are paths from the current folder, which differ",
			})
		}
		twins[name] = files[i]
	}
}

// warnChoices warns of imports that mean different files for different importing files of one
// group.
func warnChoices(env *cli.Env, findings *diag.List, choices []layout.Choice) {
	for _, choice := range choices {
		findings.Add(&diag.Diagnostic{
			Severity: diag.Warning,
			Place:    diag.Place{File: shown(env, choice.Other)},
			Message:  fmt.Sprintf("import %q could mean this file too; %s is taken", choice.Name, shown(env, choice.Taken)),
			Hint:     "give the import folders with -I, in the order in which they are to be searched",
		})
	}
}

func (c *config) addToSet(set *descriptorSet, result *protosrc.Result) error {
	if c.setOut == "" {
		return nil
	}
	return set.add(result.Files)
}

// checkTwice finds two sources of one file among sorted outputs.
func checkTwice(env *cli.Env, outputs []output) error {
	for i := 1; i < len(outputs); i++ {
		if a, b := outputs[i-1], outputs[i]; a.path == b.path {
			return cli.WithHint(fmt.Errorf("%s and %s would both be written to %s", a.source, b.source, shown(env, a.path)),
				"give them different Go packages, or rename one")
		}
	}
	return nil
}

// report prints the findings, at most c.maxErrors of them, and returns an error if there is one
// among them. Errors come before warnings if not all are shown.
func (c *config) report(env *cli.Env, list *diag.List) error {
	findings := list.All()
	if len(findings) == 0 {
		return nil
	}
	shownFindings := findings
	if c.maxErrors > 0 && len(findings) > c.maxErrors {
		shownFindings = slices.Clone(findings)
		slices.SortStableFunc(shownFindings, func(a, b *diag.Diagnostic) int { return int(a.Severity) - int(b.Severity) })
		shownFindings = shownFindings[:c.maxErrors]
	}
	style := cli.NewStyle(env.Color)
	if err := diag.Print(env.Stderr, style, shownFindings); err != nil {
		return err
	}
	errs, warnings := list.Count()
	more := ""
	if n := len(shownFindings); n < len(findings) {
		more = fmt.Sprintf("; the first %d are shown, --max-errors=0 shows all", n)
	}
	if errs == 0 {
		if more != "" {
			fmt.Fprintf(env.Stderr, "\n%s %s%s\n", style.Warning("warning:"), counted(errs, warnings), more)
		}
		return nil
	}
	fmt.Fprintf(env.Stderr, "\n%s %s%s; nothing was written\n", style.Error("error:"), counted(errs, warnings), more)
	return cli.Reported(cli.ExitFailed)
}

func counted(errs, warnings int) string {
	switch {
	case warnings == 0:
		return plural(errs, "error")
	case errs == 0:
		return plural(warnings, "warning")
	}
	return plural(errs, "error") + ", " + plural(warnings, "warning")
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// finish writes the outputs, or with --check and --dry-run tells what writing them would change.
func (c *config) finish(env *cli.Env, outputs []output) error {
	words := map[state]string{missing: "wrote", differs: "wrote", leftover: "removed", stale: "left over:"}
	switch {
	case c.check:
		words = map[state]string{missing: "missing:", differs: "not up to date:", leftover: "left over:", stale: "left over:"}
	case c.dryRun:
		words = map[state]string{missing: "would write", differs: "would overwrite", leftover: "would remove", stale: "left over:"}
	}
	changed, left := 0, 0
	for _, o := range outputs {
		st, err := o.compare()
		if err != nil {
			return err
		}
		if st == same {
			continue
		}
		if st == stale {
			left++
			if !c.quiet || c.check {
				fmt.Fprintf(env.Stdout, "%s %s (its source %s is gone)\n", words[st], shown(env, o.path), o.source)
			}
			continue
		}
		changed++
		if !c.check && !c.dryRun {
			if err := o.write(); err != nil {
				return err
			}
		}
		if !c.quiet || c.check {
			fmt.Fprintln(env.Stdout, words[st], shown(env, o.path))
		}
	}
	if c.check && changed+left > 0 {
		return cli.WithHint(fmt.Errorf("%d of %d generated files are not up to date", changed+left, len(outputs)),
			"%s", checkHint(changed, left))
	}
	if left > 0 && !c.quiet {
		fmt.Fprintf(env.Stderr, "%s run the same command with --clean to remove what is left over\n", cli.NewStyle(env.Color).Hint("hint:"))
	}
	if changed > 0 && !c.quiet && !c.dryRun {
		c.nextStep(env, outputs)
	}
	if changed == 0 && !c.quiet {
		fmt.Fprintln(env.Stdout, plural(len(outputs)-left, "file"), "up to date")
	}
	return nil
}

// checkHint says what brings the files up to date.
func checkHint(changed, left int) string {
	switch {
	case left == 0:
		return "run the same command without --check"
	case changed == 0:
		return "run the same command with --clean in place of --check"
	}
	return "run the same command with --clean in place of --check: it writes what changed and removes what is left over"
}

// nextStep tells what lacks before new code compiles: most first runs are in a module that does not
// require the packages it imports yet.
func (c *config) nextStep(env *cli.Env, outputs []output) {
	for _, o := range outputs {
		if !strings.HasSuffix(o.path, "_naru.pb.go") || o.remove {
			continue
		}
		mod := c.modules.Of(filepath.Dir(o.path))
		data, err := os.ReadFile(filepath.Join(mod.Dir, "go.mod"))
		if err == nil && !strings.HasPrefix(mod.Path+"/", runtimeModule+"/") && !strings.Contains(string(data), runtimeModule) {
			fmt.Fprintf(env.Stderr, "%s %s does not require %s yet: go get %[3]s@latest\n", cli.NewStyle(env.Color).Hint("hint:"),
				shown(env, filepath.Join(mod.Dir, "go.mod")), runtimeModule)
		}
		return
	}
}

// runtimeModule is what generated services import.
const runtimeModule = "github.com/naru-rpc/naru"
