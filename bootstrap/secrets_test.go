package bootstrap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// The secrets of one run.
const (
	secretToken = "abcdef.0123456789abcdef"
	secretKey   = "8e3f1a2b4c5d6e7f8091a2b3c4d5e6f78091a2b3c4d5e6f78091a2b3c4d5e6f7"
	secretData  = "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQo"
)

func requireNoSecret(t *testing.T, what, text string) {
	t.Helper()
	for _, secret := range []string{"0123456789abcdef", secretKey, secretData} {
		require.NotContains(t, text, secret, what)
	}
}

// printsSecrets is a kubeadm that prints every secret it knows.
func printsSecrets(t *testing.T, inner kubeadm.Runner) kubeadm.Runner {
	return func(ctx context.Context, c kubeadm.Command) (kubeadm.Result, error) {
		requireNoSecret(t, "the command line of kubeadm, which every process can read", strings.Join(c.Args, " "))
		for _, line := range []string{
			"[bootstrap-token] Using token: " + secretToken,
			"[upload-certs] Using certificate key:", secretKey,
			"[kubeconfig] client-key-data: " + secretData,
			"[x] token " + secretToken + " and key " + secretKey,
			"error: token " + secretToken + " is no good",
		} {
			_, err := c.Output.Write([]byte(line + "\n"))
			require.NoError(t, err)
		}
		res, err := inner(ctx, c)
		var cmd *kubeadm.CommandError
		if errors.As(err, &cmd) {
			cmd.Tail = "error: token " + secretToken + " is no good\n"
		}
		return res, err
	}
}

// A run whose kubeadm prints every secret it knows, ended at every point: no file
// that stays, no event, no error, no report and no command line has one. The one
// place for them is the configuration's copy, for root alone, which goes at the
// end, whatever the end.
func TestSecretsGoNowhere(t *testing.T) {
	for fail := range 4 {
		b := newFakeBoard(t)
		b.fail = fail
		o := b.options("--token="+secretToken, "--certificate-key", secretKey, "--upload-certs")
		var said bytes.Buffer
		o.Tell = func(e Event) {
			text, err := json.Marshal(e)
			require.NoError(t, err)
			said.Write(text)
		}
		o.Output = kubeadm.Redacting(&said)
		o.Runner = printsSecrets(t, o.Runner)
		// While it runs: a look at all files at every change.
		look := func(during string) {
			err := filepath.WalkDir(b.layout.Root, func(path string, d fs.DirEntry, err error) error {
				require.NoError(t, err)
				if !d.Type().IsRegular() {
					return nil
				}
				info, err := d.Info()
				require.NoError(t, err)
				if path == b.layout.ConfigCopy() || strings.HasPrefix(filepath.Base(path), ".config.yaml") {
					require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), during)
					return nil
				}
				text, err := os.ReadFile(path)
				require.NoError(t, err)
				requireNoSecret(t, during+": "+path, string(text))
				return nil
			})
			require.NoError(t, err)
		}
		o.Layout.FS.Hook = func(c durable.Change) error { look(c.Op + " " + c.Path); return nil }
		out, err := Run(context.Background(), o)
		o.Layout.FS.Hook = nil
		look("at the end")
		requireNoSecret(t, "what was said", said.String())
		if err != nil {
			requireNoSecret(t, "the error", err.Error())
		}
		out.ClosingWords = "" // kubeadm's own words for the owner's eyes
		text, e := json.Marshal(out)
		require.NoError(t, e)
		requireNoSecret(t, "the outcome that reports are made from", string(text))
		status, e := ReadStatus(b.layout)
		require.NoError(t, e)
		text, e = json.Marshal(status)
		require.NoError(t, e)
		requireNoSecret(t, "status", string(text))
		if err == nil {
			assert.NoFileExists(t, b.layout.ConfigCopy())
			continue
		}
		assert.FileExists(t, b.layout.ConfigCopy())
		_, e = Abort(b.layout)
		require.NoError(t, e)
		assert.NoFileExists(t, b.layout.ConfigCopy(), "abort takes it away")
	}
}

// Where the owner's own words are passed on as they are, because no
// configuration is written, an error still does not repeat the secret ones.
func TestCommandsAreShownWithoutSecrets(t *testing.T) {
	c := kubeadm.Command{Path: "kubeadm", Args: []string{"init", "--token", secretToken, "--certificate-key=" + secretKey,
		"--node-name", "x"}}
	assert.Equal(t, "kubeadm init --token '(secret)' '--certificate-key=(secret)' --node-name x", c.String())
}
