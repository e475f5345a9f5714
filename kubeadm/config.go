package kubeadm

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	yaml "go.yaml.in/yaml/v3"
)

// Config is a kubeadm configuration: the YAML documents of one file, kept as
// nodes so that comments, order and fields this program does not know survive.
type Config struct {
	docs []*yaml.Node
	// verb is the one that the configuration is for; empty is init.
	verb Verb
}

// For says which verb a configuration is for. What is called the verb's own document below
// is InitConfiguration, JoinConfiguration or UpgradeConfiguration.
func (c *Config) For(v Verb) *Config {
	if c != nil {
		c.verb = v
	}
	return c
}

// own is the kind of that document.
func (c *Config) own() string {
	if c == nil {
		return kindInit
	}
	return c.verb.document()
}

// ConfigError says what is wrong with a configuration file and where.
type ConfigError struct {
	File  string
	Line  int
	Field string
	Err   error
	Help  string
	// Verb is the one that the configuration is for; empty is init.
	Verb Verb
}

func (e *ConfigError) Error() string {
	where := e.File
	if e.Line > 0 {
		where += ":" + strconv.Itoa(e.Line)
	}
	if e.Field != "" {
		where += ": " + e.Field
	}
	return fmt.Sprintf("read kubeadm config %s: %v", where, e.Err)
}

func (e *ConfigError) Unwrap() error { return e.Err }

// Hint says what can be done.
func (e *ConfigError) Hint() string {
	help := cmp.Or(e.Help, "compare it with the output of: kubeadm config print init-defaults")
	if e.Verb == Join {
		help = strings.ReplaceAll(help, "print init-defaults", "print join-defaults")
	}
	return help
}

// MaxConfig bounds a config file, in bytes; kubeadm's own are a few kilobytes.
const MaxConfig = 4 << 20

// The kinds of documents that `kubeadm init` and `kubeadm join` read.
const (
	kindInit    = "InitConfiguration"
	kindJoin    = "JoinConfiguration"
	kindCluster = "ClusterConfiguration"
	kindUpgrade = "UpgradeConfiguration"
	apiGroup    = "kubeadm.k8s.io/"

	kindKubelet = "KubeletConfiguration"
	kubeletAPI  = "kubelet.config.k8s.io/v1beta1"
)

// ReadConfig parses the configuration documents in r; file is its name in
// errors, which are [*ConfigError]. Documents of other groups (the kubelet's,
// kube-proxy's) are kept untouched.
func ReadConfig(r io.Reader, file string) (*Config, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxConfig+1))
	if err != nil {
		return nil, &ConfigError{File: file, Err: err, Help: "name a readable file with --config"}
	}
	if len(text) > MaxConfig {
		return nil, &ConfigError{File: file, Err: errors.New("larger than 4 MiB")}
	}
	c := &Config{}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var doc yaml.Node
		if err := decodeNode(dec, &doc); err == io.EOF {
			break
		} else if err != nil {
			return nil, &ConfigError{File: file, Line: lineOf(err), Err: clean(err)}
		}
		if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
			continue
		}
		if doc.Content[0].Kind != yaml.MappingNode {
			return nil, &ConfigError{File: file, Line: doc.Content[0].Line,
				Err: errors.New("want a document with apiVersion and kind")}
		}
		c.docs = append(c.docs, &doc)
		kind, api := c.kind(&doc), c.api(&doc)
		if kind == "" || api == "" {
			return nil, &ConfigError{File: file, Line: doc.Content[0].Line, Field: "apiVersion, kind",
				Err: errors.New("missing")}
		}
		if twice := doubleKey(&doc); twice != nil {
			return nil, &ConfigError{File: file, Line: twice.Line, Field: twice.Value, Err: errors.New("occurs twice"),
				Help: "remove one of the two"}
		}
		if slices.ContainsFunc(c.docs[:len(c.docs)-1], func(d *yaml.Node) bool { return c.kind(d) == kind }) {
			return nil, &ConfigError{File: file, Line: doc.Content[0].Line, Field: kind,
				Err:  errors.New("a second document of this kind"),
				Help: "make one document of the two: kubeadm refuses such a file"}
		}
		if err := strict(&doc, kind, api, file); err != nil {
			return nil, err
		}
	}
	if len(c.docs) == 0 {
		return nil, &ConfigError{File: file, Err: errors.New("no document in it")}
	}
	return c, nil
}

// count is how many documents of a kind of kubeadm's there are.
func (c *Config) count(kind string) int {
	n := 0
	for _, d := range c.docs {
		if c.kind(d) == kind && strings.HasPrefix(c.api(d), apiGroup) {
			n++
		}
	}
	return n
}

// Fits looks for what kubeadm refuses for the verb in a configuration that is
// well-formed: no document for it, a version of the API that this kubeadm does not
// read, or a value that none takes. b.Nearest is set for a kubeadm that is newer than
// the version table, and for one of unknown version, which b.Version then does not
// exceed. The error is a [*ConfigError] about file.
func (c *Config) Fits(b Behaviour, file string) error {
	if c == nil {
		return nil
	}
	for _, d := range c.docs {
		if err := c.readable(d, b, file); err != nil {
			return err
		}
	}
	if c.verb == Join && c.count(kindJoin) == 0 {
		return &ConfigError{File: file, Err: errors.New("no JoinConfiguration in it"),
			Help: "write one with: kubeadm config print join-defaults"}
	}
	if c.verb != Join && c.count(kindInit)+c.count(kindCluster) == 0 {
		return &ConfigError{File: file, Err: errors.New("no InitConfiguration and no ClusterConfiguration in it"),
			Help: "kubeadm wants one of the two beside others: add a document of two lines, apiVersion: " +
				apiGroup + b.ConfigWrite() + " and kind: ClusterConfiguration, after a line ---"}
	}
	return c.badValue(b, file)
}

// readable reports whether a kubeadm reads a document's API version. Of the other groups
// it knows the kubelet's and kube-proxy's, and stops at other versions and kinds of
// those (componentconfigs/configset.go).
func (c *Config) readable(d *yaml.Node, b Behaviour, file string) error {
	line := d.Content[0].Line
	for _, known := range []struct{ api, kind string }{
		{kubeletAPI, kindKubelet}, {"kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration"},
	} {
		group, version, _ := strings.Cut(known.api, "/")
		if !strings.HasPrefix(c.api(d), group+"/") || c.api(d) == known.api && c.kind(d) == known.kind {
			continue
		}
		return &ConfigError{File: file, Line: line, Field: "apiVersion, kind",
			Err:  fmt.Errorf("kubeadm does not read %s %s", c.api(d), c.kind(d)),
			Help: fmt.Sprintf("of the group %s it reads version %s, kind %s", group, version, known.kind)}
	}
	api, ours := strings.CutPrefix(c.api(d), apiGroup)
	first, last := readers(api)
	newer := b.Nearest && (b.Version.Minor > NewestMinor || b.Version.Major > 1)
	switch {
	case !ours, b.ReadsConfig(api), newer && !strings.Contains(api, "alpha"), b.Nearest && !newer && first > 0:
		return nil
	}
	err := fmt.Errorf("kubeadm %s does not read %s%s", b.Version, apiGroup, api)
	if b.Nearest {
		err = fmt.Errorf("no kubeadm from v1.%d to v1.%d reads %s%s", OldestMinor, NewestMinor, apiGroup, api)
	}
	return &ConfigError{File: file, Line: line, Field: "apiVersion", Err: err, Help: otherVersion(api, last, file)}
}

// readers are the first and the last minor version of kubeadm that read an API
// version: 0, 0 without one. Of those before the version table only the last is known
// (util/config/common.go).
func readers(api string) (first, last int) {
	last = map[string]int{"v1alpha1": 11, "v1alpha2": 12, "v1alpha3": 14}[api]
	for minor := OldestMinor; minor <= NewestMinor; minor++ {
		if b, err := BehaviourOf(Version{Major: 1, Minor: minor}); err == nil && b.ReadsConfig(api) {
			if first == 0 {
				first = minor
			}
			last = minor
		}
	}
	return first, last
}

// otherVersion says which kubeadm an API version is for, by the last minor version
// that reads it, and how to bring a file to another one.
func otherVersion(api string, last int, file string) string {
	anew := "write the file anew: kubeadm config print init-defaults"
	switch {
	case last == 0:
		return "no kubeadm that this program knows reads it; " + anew
	case last == NewestMinor:
		first, _ := readers(api)
		return fmt.Sprintf("this file is for kubeadm v1.%d or newer; %s", first, anew)
	}
	return fmt.Sprintf("this file is for kubeadm v1.%d or older; that version's kubeadm config migrate "+
		"--old-config %s --new-config new.yaml writes it for newer ones; or %s", last, file, anew)
}

// decodeNode turns the panics that the YAML reader has on some broken input
// into errors.
func decodeNode(dec *yaml.Decoder, into *yaml.Node) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("yaml: %v", p)
		}
	}()
	return dec.Decode(into)
}

var lineNumber = regexp.MustCompile(`line (\d+)(: )?`)

func lineOf(err error) int {
	if m := lineNumber.FindStringSubmatch(err.Error()); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n
	}
	return 0
}

func clean(err error) error {
	return errors.New(lineNumber.ReplaceAllString(strings.TrimPrefix(err.Error(), "yaml: "), ""))
}

func (c *Config) kind(doc *yaml.Node) string { return scalar(find(doc.Content[0], "kind")) }
func (c *Config) api(doc *yaml.Node) string  { return scalar(find(doc.Content[0], "apiVersion")) }

// find returns the value of key in a mapping, or nil. Aliases are followed.
func find(m *yaml.Node, path ...string) *yaml.Node {
	for _, key := range path {
		for m != nil && m.Kind == yaml.AliasNode {
			m = m.Alias
		}
		if m == nil || m.Kind != yaml.MappingNode {
			return nil
		}
		var value *yaml.Node
		for i := 0; i+1 < len(m.Content); i += 2 {
			if m.Content[i].Value == key {
				value = m.Content[i+1]
			}
		}
		m = value
	}
	for m != nil && m.Kind == yaml.AliasNode {
		m = m.Alias
	}
	return m
}

func scalar(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return ""
	}
	return n.Value
}

func (c *Config) doc(kind string) *yaml.Node {
	if c == nil {
		return nil
	}
	for _, d := range c.docs {
		if c.kind(d) == kind && strings.HasPrefix(c.api(d), apiGroup) {
			return d.Content[0]
		}
	}
	return nil
}

// API returns the version of the config API that the kubeadm documents use,
// such as "v1beta4"; empty when there is no kubeadm document.
func (c *Config) API() string {
	if c == nil {
		return ""
	}
	for _, d := range c.docs {
		if api, ok := strings.CutPrefix(c.api(d), apiGroup); ok {
			return api
		}
	}
	return ""
}

// OwnAPI is the version that the verb's own document is of, empty without one.
func (c *Config) OwnAPI() string {
	return strings.TrimPrefix(scalar(find(c.doc(c.own()), "apiVersion")), apiGroup)
}

// Own returns a field of the verb's own document as text, empty when absent.
func (c *Config) Own(path ...string) string { return scalar(find(c.doc(c.own()), path...)) }

// Cluster returns a field of ClusterConfiguration as text, empty when absent.
func (c *Config) Cluster(path ...string) string { return scalar(find(c.doc(kindCluster), path...)) }

// Kubelet returns a field of KubeletConfiguration as text, empty when absent.
func (c *Config) Kubelet(path ...string) string {
	if c == nil {
		return ""
	}
	for _, d := range c.docs {
		if c.kind(d) == kindKubelet && strings.HasPrefix(c.api(d), "kubelet.config.k8s.io/") {
			return scalar(find(d.Content[0], path...))
		}
	}
	return ""
}

// KubeletExtraArg returns a flag that nodeRegistration.kubeletExtraArgs gives to
// the kubelet: a map up to v1beta3, a list of name and value from v1beta4.
func (c *Config) KubeletExtraArg(flag string) string {
	n := find(c.doc(c.own()), "nodeRegistration", "kubeletExtraArgs")
	if n == nil || n.Kind == yaml.MappingNode {
		return scalar(find(n, flag))
	}
	value := ""
	for _, item := range n.Content {
		if scalar(find(item, "name")) == flag {
			value = scalar(find(item, "value"))
		}
	}
	return value
}

// SetKubeletExtraArg has kubeadm give the kubelet a flag, in the form that the
// owner's list or map has, or else in the API version's.
func (c *Config) SetKubeletExtraArg(api, flag, value string) {
	path := []string{"nodeRegistration", "kubeletExtraArgs"}
	m := c.ensure(c.own(), api)
	args := find(m, path...)
	switch {
	case args != nil && args.Kind == yaml.MappingNode, args == nil && (api == "v1beta1" || api == "v1beta2" ||
		api == "v1beta3"):
		put(m, text(value), append(path, flag)...)
		return
	case args == nil || args.Kind != yaml.SequenceNode:
		args = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		put(m, args, path...)
	}
	entry := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	put(entry, text(flag), "name")
	put(entry, text(value), "value")
	args.Content = append(args.Content, entry)
}

// HasEtcdEnv reports whether extraEnvs of the local etcd set a variable (v1beta4).
func (c *Config) HasEtcdEnv(name string) bool {
	n := find(c.doc(kindCluster), "etcd", "local", "extraEnvs")
	if n == nil || n.Kind != yaml.SequenceNode {
		return false
	}
	for _, item := range n.Content {
		if scalar(find(item, "name")) == name {
			return true
		}
	}
	return false
}

// OwnList returns a list of strings of the verb's own document.
func (c *Config) OwnList(path ...string) []string {
	n := find(c.doc(c.own()), path...)
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	var all []string
	for _, item := range n.Content {
		all = append(all, scalar(item))
	}
	return all
}

// Skips are the phases that the verb's own document skips.
func (c *Config) Skips() []string {
	if c != nil && c.verb.Upgrades() {
		return c.OwnList(c.verb.Section(), "skipPhases")
	}
	return c.OwnList("skipPhases")
}

// Ignores are the preflight checks that it ignores.
func (c *Config) Ignores() []string {
	if c != nil && c.verb.Upgrades() {
		return c.OwnList(c.verb.Section(), "ignorePreflightErrors")
	}
	return c.OwnList("nodeRegistration", "ignorePreflightErrors")
}

// HasExternalEtcd reports whether the cluster's etcd is not kubeadm's.
func (c *Config) HasExternalEtcd() bool { return find(c.doc(kindCluster), "etcd", "external") != nil }

// HasTokens reports whether the owner gave bootstrap tokens.
func (c *Config) HasTokens() bool {
	n := find(c.doc(kindInit), "bootstrapTokens")
	return n != nil && len(n.Content) > 0
}

// ensure returns the mapping of a kubeadm document, adding the document when
// it is not there.
func (c *Config) ensure(kind, api string) *yaml.Node {
	if d := c.doc(kind); d != nil {
		return d
	}
	m := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	put(m, text(apiGroup+api), "apiVersion")
	put(m, text(kind), "kind")
	c.docs = append(c.docs, &yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{m}})
	return m
}

func text(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

func number(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: s}
}

func boolean(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: s}
}

func texts(all []string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	for _, s := range all {
		n.Content = append(n.Content, text(s))
	}
	return n
}

// put sets path below m to value, making the mappings on the way.
func put(m *yaml.Node, value *yaml.Node, path ...string) {
	for i, key := range path {
		last := i == len(path)-1
		next := find(m, key)
		if next != nil && !last && next.Kind == yaml.MappingNode {
			m = next
			continue
		}
		at := -1
		for j := 0; j+1 < len(m.Content); j += 2 {
			if m.Content[j].Value == key {
				at = j + 1
			}
		}
		child := value
		if !last {
			child = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		}
		if at >= 0 {
			m.Content[at] = child
		} else {
			m.Content = append(m.Content, text(key), child)
		}
		m = child
	}
}

// SetOwn sets a text field of the verb's own document.
func (c *Config) SetOwn(api, value string, path ...string) {
	put(c.ensure(c.own(), api), text(value), path...)
}

// SetCluster sets a text field of ClusterConfiguration.
func (c *Config) SetCluster(api, value string, path ...string) {
	put(c.ensure(kindCluster, api), text(value), path...)
}

// SetClusterGate sets a feature gate of ClusterConfiguration.
func (c *Config) SetClusterGate(api, gate string, on bool) {
	put(c.ensure(kindCluster, api), boolean(strconv.FormatBool(on)), "featureGates", gate)
}

// RaiseOwn makes a duration of the verb's own document at least d. It returns the
// owner's value when that is longer or equal and therefore stays.
func (c *Config) RaiseOwn(api string, d time.Duration, path ...string) (kept string) {
	return raise(c.ensure(c.own(), api), d, path...)
}

// RaiseCluster is [Config.RaiseOwn] for ClusterConfiguration.
func (c *Config) RaiseCluster(api string, d time.Duration, path ...string) (kept string) {
	return raise(c.ensure(kindCluster, api), d, path...)
}

func raise(m *yaml.Node, d time.Duration, path ...string) string {
	old := scalar(find(m, path...))
	if was, err := time.ParseDuration(old); err == nil && was >= d {
		return old
	}
	put(m, text(d.String()), path...)
	return ""
}

// AddToken adds the bootstrap token that kubeadm would have made up, so that a
// tail which runs twice makes one token and not two.
func (c *Config) AddToken(api, token string) {
	entry := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	put(entry, text(token), "token")
	put(entry, text("The default bootstrap token generated by 'kubeadm init'."), "description")
	list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{entry}}
	put(c.ensure(kindInit, api), list, "bootstrapTokens")
}

// Clone returns a deep copy.
func (c *Config) Clone() (*Config, error) {
	if c == nil {
		return &Config{}, nil
	}
	if len(c.docs) == 0 {
		return &Config{verb: c.verb}, nil
	}
	text, err := c.Bytes()
	if err != nil {
		return nil, err
	}
	copied, err := ReadConfig(bytes.NewReader(text), "copy")
	return copied.For(c.verb), err
}

// Bytes writes the documents as YAML.
func (c *Config) Bytes() ([]byte, error) {
	if c == nil || len(c.docs) == 0 {
		return nil, nil
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	for _, d := range c.docs {
		if err := enc.Encode(d); err != nil {
			return nil, fmt.Errorf("write kubeadm config: %w", err)
		}
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("write kubeadm config: %w", err)
	}
	return out.Bytes(), nil
}

// HasExtraArg reports whether a component's extraArgs, below path in
// ClusterConfiguration, set a flag. They are a map up to v1beta3 and a list of
// name and value from v1beta4.
func (c *Config) HasExtraArg(flag string, path ...string) bool {
	n := find(c.doc(kindCluster), append(append([]string{}, path...), "extraArgs")...)
	if n == nil {
		return false
	}
	if n.Kind == yaml.MappingNode {
		return find(n, flag) != nil
	}
	for _, item := range n.Content {
		if scalar(find(item, "name")) == flag {
			return true
		}
	}
	return false
}
