package gen

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
)

// descriptorSet collects the files of all groups, each after what it imports.
type descriptorSet struct {
	sourceInfo bool
	set        descriptorpb.FileDescriptorSet
	byName     map[string]*descriptorpb.FileDescriptorProto
}

func newDescriptorSet(sourceInfo bool) *descriptorSet {
	return &descriptorSet{sourceInfo: sourceInfo, byName: map[string]*descriptorpb.FileDescriptorProto{}}
}

// add adds files that are not there yet. A set cannot hold different files of one name.
func (s *descriptorSet) add(files []*descriptorpb.FileDescriptorProto) error {
	for _, f := range files {
		f = proto.CloneOf(f) // the generators get comments that are changed for Go
		if !s.sourceInfo {
			f.SourceCodeInfo = nil
		}
		switch known := s.byName[f.GetName()]; {
		case known == nil:
			s.byName[f.GetName()] = f
			s.set.File = append(s.set.File, f)
		case !proto.Equal(known, f):
			return cli.WithHint(fmt.Errorf("two different files go by the name %s in a descriptor set", f.GetName()),
				"name the folders of one set of files only, or give the folder their names start at with -I")
		}
	}
	return nil
}

func (s *descriptorSet) marshal() ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(&s.set)
}
