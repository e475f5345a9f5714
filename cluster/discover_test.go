package cluster

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

const token = "abcdef.0123456789abcdef"

// clusterInfo is a server that signs its cluster-info from the given look on.
func clusterInfo(t *testing.T, from int) (q Question, looks *int) {
	looks = new(int)
	mux := http.NewServeMux()
	s := httptest.NewTLSServer(mux)
	t.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	content := "clusters:\n- name: \"\"\n  cluster:\n    server: " + s.URL + "\n    certificate-authority-data: " +
		base64.StdEncoding.EncodeToString(ca) + "\n"
	mux.HandleFunc("/api/v1/namespaces/kube-public/configmaps/cluster-info", func(w http.ResponseWriter, _ *http.Request) {
		data := map[string]string{"kubeconfig": content}
		if *looks++; *looks >= from {
			data["jws-kubeconfig-abcdef"] = signature(content, "abcdef", "0123456789abcdef")
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": data})
	})
	return Question{Endpoint: strings.TrimPrefix(s.URL, "https://"), Token: token, Patience: time.Minute,
		Dialing: time.Minute}, looks
}

// Whoever joins with a token that was made a moment ago is not told that it has expired.
func TestATokenThatIsNotSignedYet(t *testing.T) {
	q, looks := clusterInfo(t, 3)
	q.Signing = time.Minute
	f := Discover(context.Background(), q)
	assert.False(t, f.NoSignature)
	assert.GreaterOrEqual(t, f.Reach, ReachInfo)
	assert.Equal(t, 3, *looks)

	q, looks = clusterInfo(t, 1000)
	q.Signing = time.Millisecond
	assert.True(t, Discover(context.Background(), q).NoSignature)
	assert.Less(t, *looks, 10)
}

func TestATokenWithAnotherSecret(t *testing.T) {
	q, looks := clusterInfo(t, 1)
	q.Token, q.Signing = "abcdef.ffffffffffffffff", time.Minute
	assert.True(t, Discover(context.Background(), q).BadSignature)
	assert.Equal(t, 1, *looks)
}
