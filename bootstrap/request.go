package bootstrap

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// RequestHash names what the owner asked for without holding any of it: the
// arguments may carry a token. config is the text of the --config file.
func RequestHash(args kubeadm.InitArgs, config []byte) string {
	h := sha256.New()
	for _, f := range args.Flags {
		if f.Name == "v" {
			continue // how much is said changes nothing
		}
		fmt.Fprintf(h, "%q=%q\n", f.Name, f.Value)
	}
	h.Write(config)
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}
