package serviceconfig

import (
	"errors"
	"slices"
	"strings"
)

// Client is what a list of choices distinguishes clients by.
type Client struct {
	// Language is "go" for this implementation.
	Language string
	// Hostname is the machine's name, as the system has it.
	Hostname string
	// Percentile is the client's place among all, in [0, 100): drawn once, so that a client does
	// not change sides with every look-up.
	Percentile int
}

// Choose returns the service config for a client out of a list of choices, as JSON: the form of TXT
// records (gRFC A2). "" if none of them is for the client. Only the choice taken is parsed further.
func Choose(text string, client Client) (string, error) {
	root, err := readTree(text)
	if err != nil {
		return "", err
	}
	list, ok := root.([]node)
	if !ok {
		return "", &Error{Problem: kind(root) + " where a list of choices should be"}
	}
	p := &parser{} // gRFC A2: an unexpected field makes the entire config invalid
	var chosen *members
	for i, n := range list {
		o, ok := p.object(index(i), n)
		if !ok {
			continue
		}
		config, match := p.choice(o, client)
		o.end()
		if match && chosen == nil {
			chosen = config
		}
	}
	if len(p.errs) > 0 {
		return "", errors.Join(p.errs...)
	}
	if chosen == nil {
		return "", nil
	}
	return writeNode(chosen), nil
}

// choice reads one choice. All criteria that are there must match; an empty list matches everyone.
func (p *parser) choice(o *Object, client Client) (config *members, match bool) {
	var languages, hosts []string
	percentage := 100
	o.Strings("clientLanguage", &languages)
	o.Strings("clientHostname", &hosts)
	o.Int("percentage", &percentage, 0, 100)
	config, ok := o.value("serviceConfig").(*members)
	if !ok {
		o.Errorf("serviceConfig", "%s where an object should be", kind(o.m.values["serviceConfig"]))
		return nil, false
	}
	sameLanguage := func(l string) bool { return strings.EqualFold(l, client.Language) }
	match = (len(languages) == 0 || slices.ContainsFunc(languages, sameLanguage)) &&
		(len(hosts) == 0 || slices.Contains(hosts, client.Hostname)) &&
		client.Percentile < percentage
	return config, match
}
