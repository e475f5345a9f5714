package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/doctor"
	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/host"
	"github.com/kubeadm-arm/kubeadm-arm/internal/containerd"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
	"github.com/kubeadm-arm/kubeadm-arm/internal/text"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// repeated are the flags to give again to a doctor that is called once more, each
// after a blank and quoted for the shell: those that it knows, and no secret.
func repeated(theirs kubeadm.Args, own ...string) string {
	again := ""
	for i := 0; i+1 < len(own); i += 2 {
		if own[i+1] != "" {
			again += " --" + own[i] + " " + shell.Quote(own[i+1])
		}
	}
	for _, flag := range theirs.Flags {
		if flag.Name == "dry-run" || kubeadm.IsSecret(flag.Name) || !kubeadm.Init.Knows(flag.Name) {
			continue
		}
		for _, word := range flag.Tokens {
			again += " " + shell.Quote(word)
		}
	}
	return again
}

// runDoctor is `kubeadm-arm doctor`.
func (v invocation) runDoctor(o options) error {
	args := o.theirs
	for _, f := range args.Flags {
		if !kubeadm.Init.Knows(f.Name) {
			return o.usage(fmt.Errorf("unknown flag %s", f.Tokens[0]))
		}
	}
	if len(args.Words) > 0 {
		return o.usage(fmt.Errorf("doctor takes no arguments, got %q", args.Words[0]))
	}
	stop := v.listen()
	defer stop.close()
	r, err := safefile.Wait(stop.ctx, func() (doctor.Report, error) { return v.diagnose(stop.ctx, o) })
	if sig := stop.signal(); sig != 0 {
		return &problem{128 + int(sig), "run it again", fmt.Errorf("interrupted by %s", signalName(sig))}
	}
	if err != nil {
		return err
	}
	if fix := o.text("fix"); fix != "" {
		return v.fixFindings(o.text("root"), strings.Split(fix, ","), r, args.Bool("dry-run"))
	}
	if err := writeDoctor(v.stdout, r, o.text("output")); err != nil {
		return err
	}
	if code := r.ExitCode(); code != 0 {
		return &silentError{code}
	}
	return nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// needFolder refuses a root that is none.
func needFolder(root string) error {
	if isFolder(root) {
		return nil
	}
	return &problem{exitBadInput, "name a folder with --root",
		fmt.Errorf("look at %s: not a folder that can be read", root)}
}

// diagnose reads and judges; it changes nothing.
func (v invocation) diagnose(ctx context.Context, o options) (doctor.Report, error) {
	root := o.text("root")
	var config *kubeadm.Config
	if name, ok := o.theirs.Get("config"); ok {
		var err error
		if config, _, err = readConfigFile(name); err != nil {
			return doctor.Report{}, err
		}
	}
	if err := needFolder(root); err != nil {
		return doctor.Report{}, err
	}
	board, err := hwdetect.Read(root)
	if err != nil {
		return doctor.Report{}, err
	}
	e := doctorInputs{v: v, root: root, board: board, args: o.theirs, config: config}
	e.path, _ = v.realKubeadm(o.text("arm-kubeadm"))
	below := root
	if filepath.Clean(root) == "/" {
		below = ""
	}
	e.again = repeated(o.theirs, "root", below, "arm-kubeadm", o.text("arm-kubeadm"))
	facts := e.facts(ctx)
	if _, err := fits(o.theirs, config, facts.Kubeadm, facts.Known); err != nil {
		return doctor.Report{}, err
	}
	return diagnosed(root, facts), nil
}

func writeDoctor(w io.Writer, r doctor.Report, output string) error {
	switch output {
	case "json":
		return writeIndented(w, r)
	case "yaml":
		return encodeYAML(w, r)
	}
	return doctor.Text(w, r)
}

// doctorInputs is what the facts that doctor judges are gathered from.
type doctorInputs struct {
	v      invocation
	root   string
	board  hwdetect.Board
	args   kubeadm.Args
	config *kubeadm.Config
	// path is the real kubeadm, and behaviour its facts where they are known
	// already.
	path      string
	behaviour *kubeadm.Behaviour
	// kubelets is the configuration that the cluster to join has for kubelets.
	kubelets string
	// again are the flags that doctor is to be repeated with.
	again string
	// resuming is set when an interrupted run is gone on with.
	resuming bool
}

// written is a time before which nobody had this program: a clock that is behind
// it is wrong, whatever the files of the board say.
func written() time.Time { return time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC) }

// pathOf adds the folders of system programs, which sudo knows and an
// ordinary user's PATH often lacks.
func (v invocation) pathOf() string {
	path := v.getenv("PATH")
	for _, dir := range []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"} {
		path += ":" + dir
	}
	return strings.TrimPrefix(path, ":")
}

func (e doctorInputs) facts(ctx context.Context) doctor.Facts {
	real := filepath.Clean(e.root) == "/"
	f := doctor.Facts{Board: e.board, Ask: e.asked(), Resuming: e.resuming, Root: isRoot() || !real, Flags: e.again}
	named := map[string]string{}
	if e.path != "" && real {
		named["kubeadm"] = e.path
	}
	f.Host = host.Read(host.Options{
		Root: e.root, Path: e.v.pathOf(), Now: time.Now(), Built: written(), Programs: named,
		Folders:    []string{f.Ask.EtcdFolder, "/etc/kubernetes", "/var/lib/kubelet", host.RuntimeFolder},
		ResolvConf: f.Ask.ResolvConf,
		PKI:        kubeadm.CertificatesDir(e.config, e.args),
		Socket:     strings.TrimPrefix(f.Ask.CRISocket, "unix://"),
	}, e.board.Kernel)
	if e.behaviour != nil {
		f.Kubeadm, f.Known = *e.behaviour, true
	}
	f.Journal = exists(state.Layout{Root: e.root}.Journal())
	if f.Host.Stopped {
		if f.Under, _ = filepath.Abs(e.root); f.Under == "" {
			f.Under = e.root
		}
	}
	if !real {
		packagedVersions(&f)
		return f
	}
	f.CPUs = runtime.NumCPU()
	f.Storage = e.v.storageProblems(ctx)
	askContainerd(ctx, &f)
	e.askPrograms(ctx, &f)
	f.Holders = holders(f.Host, e.root)
	return f
}

// packagedVersions takes the versions of programs that cannot be started, because
// they lie on a card that another machine looks at, from their packages.
func packagedVersions(f *doctor.Facts) {
	packaged := func(name string) (kubeadm.Version, bool) {
		number, _, _ := strings.Cut(f.Host.Packages[name], "-")
		v, err := kubeadm.ParseVersion("v" + number)
		return v, err == nil
	}
	if v, ok := packaged("kubeadm"); ok && !f.Known {
		if b, err := kubeadm.BehaviourOf(v); err == nil {
			f.Kubeadm, f.Known = b, true
		}
	}
	if v, ok := packaged("kubelet"); ok {
		f.Kubelet = v
	}
	for _, name := range []string{"containerd", "containerd.io"} {
		if v := doctor.ParseRuntimeVersion(f.Host.Packages[name]); v != "" {
			f.RuntimeVersion = v
		}
	}
}

// askPatience bounds what starting one program may take.
const askPatience = kubeadm.AskPatience

// askPrograms starts those that this CPU can run, for what only they can tell.
func (e doctorInputs) askPrograms(ctx context.Context, f *doctor.Facts) {
	ctx, cancel := context.WithTimeout(ctx, 4*askPatience)
	defer cancel()
	answer := func(path string, args ...string) string {
		if built, err := hwdetect.ReadBinary(path); err == nil && e.board.Runs(built) != nil {
			return ""
		}
		res, err := kubeadm.Exec(ctx, kubeadm.Command{Path: path, Args: args, Env: e.v.env, Patience: askPatience})
		if err != nil {
			return ""
		}
		return string(res.Stdout)
	}
	if !f.Known && e.path != "" {
		if v, err := kubeadm.ParseVersion(answer(e.path, "version", "-o", "short")); err == nil {
			if b, err := kubeadm.BehaviourOf(v); err == nil {
				f.Kubeadm, f.Known = b, true
			}
		}
	}
	for _, p := range f.Host.Programs {
		switch filepath.Base(p.Path) {
		case "kubelet":
			if v, err := kubeadm.ParseVersion(strings.TrimPrefix(answer(p.Path, "--version"), "Kubernetes ")); err == nil {
				f.Kubelet = v
			}
		case "containerd":
			if f.RuntimeVersion == "" {
				f.RuntimeVersion = doctor.ParseRuntimeVersion(answer(p.Path, "--version"))
			}
			// What we cannot read, such as a pipe, containerd would wait for, or read whole.
			if f.Host.Runtime.Containerd.Problem == nil {
				f.Host.Runtime.SetDumped([]byte(answer(p.Path, "config", "dump")))
			}
		}
	}
}

// askContainerd asks the one that runs.
func askContainerd(ctx context.Context, f *doctor.Facts) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	for _, s := range f.Host.Runtime.Sockets {
		if s.Runtime != "containerd" || !s.Answers {
			continue
		}
		if version, err := containerd.Version(ctx, s.Path); err == nil {
			f.RuntimeVersion = doctor.ParseRuntimeVersion(version)
		}
		images, err := containerd.Images(ctx, s.Path)
		f.Images, f.ImagesKnown = images, err == nil
	}
}

// holders names who listens on the ports that a control plane needs.
func holders(h host.Host, root string) map[int]string {
	all := map[int]string{}
	for _, l := range h.Network.Listeners {
		if l.Port != 6443 && l.Port != 2379 && l.Port != 2380 && (l.Port < 10250 || l.Port > 10259) {
			continue
		}
		if name, pid := l.Owner(root); name != "" {
			all[l.Port] = fmt.Sprintf("%s (process %d)", name, pid)
		}
	}
	return all
}

// asked is what the owner wants, from flags and configuration.
func (e doctorInputs) asked() doctor.Ask {
	c := e.config
	pick := func(flag string, otherwise string) string {
		if value, ok := e.args.Get(flag); ok {
			return value
		}
		return otherwise
	}
	a := doctor.Ask{
		APIPort:           6443,
		NodeName:          pick("node-name", c.Own("nodeRegistration", "name")),
		AdvertiseAddress:  pick("apiserver-advertise-address", c.Own("localAPIEndpoint", "advertiseAddress")),
		EtcdFolder:        etcdFolder(c),
		ExternalEtcd:      c.HasExternalEtcd(),
		EtcdArchSet:       c.HasEtcdEnv("ETCD_UNSUPPORTED_ARCH"),
		CRISocket:         pick("cri-socket", c.Own("nodeRegistration", "criSocket")),
		ImageRepository:   pick("image-repository", c.Cluster("imageRepository")),
		KubernetesVersion: pick("kubernetes-version", c.Cluster("kubernetesVersion")),
		PodSubnet:         pick("pod-network-cidr", c.Cluster("networking", "podSubnet")),
		ServiceSubnet:     pick("service-cidr", c.Cluster("networking", "serviceSubnet")),
		ConfigFile:        pick("config", ""),
		Ignore:            ignored(e.args, c),
		FailSwapOn:        c.Kubelet("failSwapOn"),
		FailCgroupV1:      c.Kubelet("failCgroupV1"),
		CgroupDriver:      c.Kubelet("cgroupDriver"),
		ResolvConf:        c.Kubelet("resolvConf"),
		Unknown:           c.UnknownFields(),
		Flags:             e.args,
	}
	if n, err := strconv.Atoi(pick("apiserver-bind-port", c.Own("localAPIEndpoint", "bindPort"))); err == nil && n > 0 &&
		n < 1<<16 {
		a.APIPort = n
	}
	for flag, setting := range map[string]*string{
		"fail-swap-on": &a.FailSwapOn, "cgroup-driver": &a.CgroupDriver, "resolv-conf": &a.ResolvConf,
	} {
		if value := c.KubeletExtraArg(flag); value != "" {
			*setting = value
		}
	}
	e.patched(&a)
	return a
}

// A kubelet's setting in a patch, as YAML or JSON has it.
var kubeletSetting = regexp.MustCompile(`"?(failSwapOn|failCgroupV1|cgroupDriver)"?\s*:\s*"?(\w+)`)

// patched looks through the owner's own kubeadm patches for what else the
// kubelet and etcd are configured with: a board that works by them is not refused. A patch
// that cannot be read is named by init itself.
func (e doctorInputs) patched(a *doctor.Ask) {
	setKubelet(a, e.kubelets)
	dir := patchesFolder(e.args, e.config)
	if dir == "" {
		return
	}
	entries, err := safefile.List(dir, state.MaxListed)
	if err != nil {
		return
	}
	for _, entry := range entries {
		text, err := safefile.Read(filepath.Join(dir, entry.Name()), maxStream)
		if err != nil {
			continue
		}
		if strings.HasPrefix(entry.Name(), "kubeletconfiguration") {
			setKubelet(a, string(text))
		}
		if strings.HasPrefix(entry.Name(), "etcd") && strings.Contains(string(text), "ETCD_UNSUPPORTED_ARCH") {
			a.EtcdArchSet = true
		}
	}
}

// setKubelet takes over what a text configures the kubelet with.
func setKubelet(a *doctor.Ask, text string) {
	for _, m := range kubeletSetting.FindAllStringSubmatch(text, -1) {
		*map[string]*string{"failSwapOn": &a.FailSwapOn, "failCgroupV1": &a.FailCgroupV1,
			"cgroupDriver": &a.CgroupDriver}[m[1]] = m[2]
	}
}

// checkBoard is doctor's look at the board before a command changes anything.
func (r *boardRun) checkBoard(ctx context.Context) doctor.Report {
	e := doctorInputs{v: r.invocation, root: "/", board: r.board, args: r.args, config: r.config, path: r.path,
		behaviour: &r.behaviour, resuming: r.resume != nil}
	if r.found != nil {
		e.kubelets = r.found.KubeletConfig
	}
	if r.config == nil || r.command != kubeadm.Join { // doctor reads no JoinConfiguration
		e.again = repeated(r.args)
	}
	f := e.facts(ctx)
	if r.command == kubeadm.Join {
		f.Join = r.joinDoctor()
		if r.shared != nil {
			f.Ask.EtcdFolder, f.Ask.ExternalEtcd = etcdFolder(r.shared), r.shared.HasExternalEtcd()
			f.Ask.ImageRepository = r.shared.Cluster("imageRepository")
		}
	}
	return diagnosed(e.root, f)
}

// showChecks shows what doctor found before init. Findings that would certainly make it
// fail stop it here; a warning is a line.
func (r *boardRun) showChecks() error {
	fails := r.checks.Of(doctor.Fail)
	if r.own.output == "json" {
		if err := writeJSON(r.stdout, result{Kind: "doctor", Doctor: &r.checks}); err != nil {
			return err
		}
	} else {
		for _, f := range r.checks.Of(doctor.Warning) {
			r.display.Line("warning: " + f.ID + ": " + f.Seen + ignoredWord(f))
		}
		if err := doctor.Fails(r.stderr, r.checks); err != nil {
			return err
		}
	}
	if len(fails) == 0 {
		return nil
	}
	return notReady(r.command, fails)
}

func ignoredWord(f doctor.Finding) string {
	if f.Ignored {
		return " (ignored, as you asked)"
	}
	return ""
}

// notReady is the error of a board that a command would fail on.
func notReady(command kubeadm.Verb, fails []doctor.Finding) error {
	code := exitNotReady
	var ids, names []string
	for _, f := range fails {
		ids = append(ids, f.ID)
		names = append(names, f.IgnoreNames()...)
		if strings.HasPrefix(f.ID, "program-") {
			code = exitIllegal
		}
	}
	return &problem{code, "fix it with the lines above and repeat; to continue anyway: --ignore-preflight-errors=" +
		strings.Join(names, ","),
		fmt.Errorf("%s would fail on this board, nothing was changed: %s", command, strings.Join(ids, ", "))}
}

// writeDoctorShort is doctor's part of a dry run, in 80 columns; all of it for an upgrade, which
// the command doctor knows nothing of.
func writeDoctorShort(w io.Writer, r doctor.Report) error {
	if r.Command.Upgrades() {
		printable.Fprintln(w)
		return doctor.Text(w, r)
	}
	var b strings.Builder
	b.WriteString("\nDoctor: " + r.Sum() + "\n")
	for _, s := range []doctor.Severity{doctor.Fail, doctor.Warning} {
		for _, f := range r.Of(s) {
			line := fmt.Sprintf("%s: %s: %s%s", s, f.ID, f.Seen, ignoredWord(f))
			if err := text.Wrap(&b, "  ", "      ", printable.Line(line)); err != nil {
				return err
			}
		}
	}
	if r.Verdict.Worse(doctor.Info) {
		b.WriteString("  what to do about it: kubeadm-arm doctor, with the same flags\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
