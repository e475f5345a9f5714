package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

const refusal = "kubeadm-arm: kubeadm-v7 at /usr/local/bin/kubeadm-v7 was built for ARMv7; this CPU is " +
	"ARMv6 (ARM1176, Raspberry Pi Model B): it would die with Illegal instruction\nhint: install another\n"

func TestRefused(t *testing.T) {
	var s suite
	good := drive.Booted{ExitCode: exitIllegal, Stderr: refusal}
	assert.True(t, s.refused(good))
	for name, bad := range map[string]drive.Booted{
		"died":           {ExitCode: exitIllegal, Signal: "illegal instruction", Stderr: refusal},
		"other code":     {ExitCode: 1, Stderr: refusal},
		"no hint":        {ExitCode: exitIllegal, Stderr: strings.Split(refusal, "hint")[0]},
		"silent":         {ExitCode: exitIllegal},
		"it was started": {ExitCode: 0, Stdout: "v1.37.2"},
	} {
		assert.False(t, s.refused(bad), name)
	}
}

func TestCheckDetect(t *testing.T) {
	e := expectation{board: "raspberrypi1", program: "armv6", model: "Raspberry Pi Model B", core: "ARM1176", count: 1,
		arch: "ARMv6"}
	text := drive.Booted{Stdout: "model Raspberry Pi Model B\narchitecture ARMv6\ncores 1 x ARM1176\n"}
	good := drive.Booted{Stdout: `{"model":"Raspberry Pi Model B","cpu":{"arch":"ARMv6","count":1,"cores":[{"name":"ARM1176"}]}}`}
	var s suite
	s.checkDetect(e, text, good, &row{})
	assert.Zero(t, s.failed)
	assert.Equal(t, 9, s.passed)
	// The Pi 1's kernel says that it was ARMv7.
	lie := drive.Booted{Stdout: strings.Replace(good.Stdout, "ARMv6", "ARMv7", 1)}
	s.checkDetect(e, text, lie, &row{})
	assert.Equal(t, 1, s.failed)
}

func TestCheckKubeadm(t *testing.T) {
	pi, banana := expectation{arch: "ARMv6"}, expectation{arch: "ARMv7"}
	runs, dies := drive.Booted{Stdout: "v1.37.2\n"}, drive.Booted{ExitCode: 132, Signal: "illegal instruction"}
	for name, c := range map[string]struct {
		e               expectation
		goarm           string
		direct, wrapped drive.Booted
		failed          int
	}{
		"ARMv7's on ARMv6 dies and is refused": {pi, "7", dies, drive.Booted{ExitCode: exitIllegal, Stderr: refusal},
			0},
		"ARMv7's on ARMv6 was started": {pi, "7", dies, dies, 1},
		"the emulator runs it after all": {pi, "7", runs, drive.Booted{ExitCode: exitIllegal, Stderr: refusal},
			1},
		"ARMv6's on ARMv6": {pi, "6", runs, runs, 0},
		"ARMv6's on ARMv6 is refused": {pi, "6", runs, drive.Booted{ExitCode: exitIllegal, Stderr: refusal},
			1},
		"ARMv7's on ARMv7": {banana, "7", runs, runs, 0},
	} {
		s := suite{version: "v1.37.2"}
		s.checkKubeadm(c.e, c.goarm, c.direct, c.wrapped)
		assert.Equal(t, c.failed, s.failed, name)
	}
}

func TestCheckDoctor(t *testing.T) {
	e := expectation{findings: map[string]string{"cpus": "fail"}, absent: []string{"memory"}}
	const good = `{"schema":"kubeadm-arm.doctor/v1","verdict":"fail","findings":[{"id":"cpus","severity":"fail","means":"x","fix":["y"]},{"id":"memory","severity":"ok"}]}`
	for name, c := range map[string]struct {
		text   string
		code   int
		failed int
	}{
		"as expected":          {good, 2, 0},
		"wrong exit code":      {good, 0, 1},
		"not seen":             {strings.Replace(good, `"cpus"`, `"other"`, 1), 2, 1},
		"not so bad":           {strings.Replace(good, `"severity":"fail"`, `"severity":"info"`, 1), 2, 1},
		"seen without a cause": {strings.Replace(good, `"ok"`, `"warning"`, 1), 2, 1},
		"no advice":            {strings.Replace(good, `"fix":["y"]`, `"fix":[]`, 1), 2, 1},
		"nothing":              {"", 0, 2},
	} {
		var s suite
		var r row
		s.checkDoctor(e, drive.Booted{ExitCode: c.code, Stdout: c.text}, &r)
		assert.Equal(t, c.failed, s.failed, name)
	}
}
