package gen

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/diag"
	"github.com/naru-rpc/naru/cmd/naru/internal/protosrc"
)

// run is the verb, from parsed flags on.
func run(ctx context.Context, env *cli.Env, c config) error {
	if err := c.validate(); err != nil {
		return err
	}
	in, err := findInputs(env, c.inputs)
	if err != nil {
		return err
	}
	roots, names, err := nameInputs(env, &c, in)
	if err != nil {
		return err
	}
	result := protosrc.Compile(roots, names)
	outputs, err := produce(env, &c, result, names)
	if reportErr := report(env, result.Findings); reportErr != nil {
		return reportErr
	}
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.finish(env, append(outputs, leftovers(outputs)...))
}

// nameInputs returns the import folders and the files' names below them.
func nameInputs(env *cli.Env, c *config, in *inputs) ([]protosrc.Root, []string, error) {
	var roots []protosrc.Root
	var err error
	if len(c.protoPath) > 0 {
		roots, err = givenRoots(env, c.protoPath)
	} else {
		roots = findRoots(env, in)
	}
	if err != nil {
		return nil, nil, err
	}
	var names []string
	for _, file := range in.files {
		name, ok := protosrc.Name(roots, file)
		if !ok {
			return nil, nil, cli.WithHint(cli.Usagef("%s is below none of the import folders", shown(env, file)),
				"add a -I for the folder its imports start from")
		}
		names = append(names, name)
	}
	return roots, names, nil
}

// produce returns everything to write.
func produce(env *cli.Env, c *config, result *protosrc.Result, names []string) ([]output, error) {
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
	outputs, err := generate(c, result, names, targets)
	if err != nil {
		return nil, err
	}
	if c.setOut != "" {
		set, err := marshalSet(result.Files, c.setSource)
		if err != nil {
			return nil, err
		}
		outputs = append(outputs, output{path: env.Path(c.setOut), content: set})
	}
	slices.SortFunc(outputs, func(a, b output) int { return strings.Compare(a.path, b.path) })
	return outputs, nil
}

// marshalSet returns the files as a FileDescriptorSet, each after what it imports.
func marshalSet(files []*descriptorpb.FileDescriptorProto, sourceInfo bool) ([]byte, error) {
	set := &descriptorpb.FileDescriptorSet{}
	for _, f := range files {
		if !sourceInfo && f.SourceCodeInfo != nil {
			f = proto.CloneOf(f)
			f.SourceCodeInfo = nil
		}
		set.File = append(set.File, f)
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(set)
}

// report prints the findings and returns an error if there is one among them.
func report(env *cli.Env, list *diag.List) error {
	findings := list.All()
	if len(findings) == 0 {
		return nil
	}
	style := cli.NewStyle(env.Color)
	if err := diag.Print(env.Stderr, style, findings); err != nil {
		return err
	}
	errs, warnings := list.Count()
	if errs == 0 {
		return nil
	}
	fmt.Fprintf(env.Stderr, "\n%s %s; nothing was written\n", style.Error("error:"), counted(errs, warnings))
	return cli.Reported(cli.ExitFailed)
}

func counted(errs, warnings int) string {
	s := fmt.Sprintf("%d errors", errs)
	if errs == 1 {
		s = "1 error"
	}
	switch warnings {
	case 0:
		return s
	case 1:
		return s + ", 1 warning"
	default:
		return fmt.Sprintf("%s, %d warnings", s, warnings)
	}
}

// finish writes the outputs, or with --check and --dry-run tells what writing them would change.
func (c *config) finish(env *cli.Env, outputs []output) error {
	words := map[state]string{missing: "wrote", differs: "wrote", leftover: "removed"}
	switch {
	case c.check:
		words = map[state]string{missing: "missing:", differs: "not up to date:", leftover: "left over:"}
	case c.dryRun:
		words = map[state]string{missing: "would write", differs: "would overwrite", leftover: "would remove"}
	}
	changed := 0
	for _, o := range outputs {
		st, err := o.compare()
		if err != nil {
			return err
		}
		if st == same {
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
	if c.check && changed > 0 {
		return cli.WithHint(fmt.Errorf("%d of %d generated files are not up to date", changed, len(outputs)),
			"run the same command without --check")
	}
	if changed == 0 && !c.quiet {
		fmt.Fprintf(env.Stdout, "%d files up to date\n", len(outputs))
	}
	return nil
}
