package containerd

import (
	"encoding/binary"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

// serve answers calls as containerd does, with a message and a status.
func serve(t *testing.T, message []byte, status string) (socket string, calls *[]string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "containerd.sock")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	calls = &[]string{}
	server := &http.Server{Protocols: &http.Protocols{}, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			*calls = append(*calls, r.URL.Path+" "+r.Header.Get("Containerd-Namespace"))
			w.Header().Set("Content-Type", "application/grpc")
			if message == nil {
				w.Header().Set("Grpc-Status", status)
				return
			}
			w.Header().Set("Trailer", "Grpc-Status")
			_, _ = w.Write(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...))
			w.Header().Set("Grpc-Status", status)
		})}
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return socket, calls
}

func value(number protowire.Number, text []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), text)
}

func TestVersion(t *testing.T) {
	socket, calls := serve(t, append(value(1, []byte("1.6.20~ds1")), value(2, []byte("1.6.20~ds1-1"))...), "0")
	version, err := Version(t.Context(), socket)
	require.NoError(t, err)
	assert.Equal(t, "1.6.20~ds1", version)
	assert.Equal(t, []string{"/containerd.services.version.v1.Version/Version k8s.io"}, *calls)
}

func TestImages(t *testing.T) {
	labels := value(2, append(value(1, []byte("io.cri-containerd.image")), value(2, []byte("managed"))...))
	pause := append(value(1, []byte("registry.k8s.io/pause:3.10.1")), labels...)
	etcd := value(1, []byte("registry.k8s.io/etcd:3.6.6-0"))
	socket, _ := serve(t, append(value(1, pause), value(1, etcd)...), "0")
	images, err := Images(t.Context(), socket)
	require.NoError(t, err)
	assert.Equal(t, []string{"registry.k8s.io/pause:3.10.1", "registry.k8s.io/etcd:3.6.6-0"}, images)
}

func TestNoImages(t *testing.T) {
	socket, _ := serve(t, []byte{}, "0")
	images, err := Images(t.Context(), socket)
	require.NoError(t, err)
	assert.Empty(t, images)
}

// What cannot be believed is no answer.
func TestNoAnswer(t *testing.T) {
	for name, answer := range map[string]struct {
		message []byte
		status  string
	}{
		"a service that is not there": {nil, "12"},
		"a failure after a message":   {value(1, []byte("1.6.20")), "13"},
		"a message that ends early":   {[]byte{0x0a, 0x20, '1'}, "0"},
		"a message without a version": {[]byte{}, "0"},
	} {
		t.Run(name, func(t *testing.T) {
			socket, _ := serve(t, answer.message, answer.status)
			_, err := Version(t.Context(), socket)
			assert.Error(t, err)
		})
	}
	_, err := Version(t.Context(), filepath.Join(t.TempDir(), "none.sock"))
	assert.Error(t, err)
}

func FuzzField(f *testing.F) {
	f.Add([]byte{})
	f.Add(value(1, value(1, []byte("registry.k8s.io/pause:3.10.1"))))
	f.Add([]byte{0x0b, 0x0a, 0x01, 'a', 0x0c})
	f.Fuzz(func(t *testing.T, message []byte) {
		values, err := field(message, 1)
		total := 0
		for _, v := range values {
			total += len(v)
		}
		if err == nil {
			assert.LessOrEqual(t, total, len(message))
		}
	})
}
