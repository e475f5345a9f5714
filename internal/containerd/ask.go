// Package containerd asks a running containerd what only it knows, over its socket: on a slow board, starting
// `containerd --version` and `ctr images list` takes seconds of CPU time, and a question milliseconds.
package containerd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"google.golang.org/protobuf/encoding/protowire"
)

// Version is containerd's, as it was built: such as "1.6.20~ds1" or "v2.1.4"
// (api/services/version/v1/version.proto: VersionResponse.version).
func Version(ctx context.Context, socket string) (string, error) {
	response, err := call(ctx, socket, "containerd.services.version.v1.Version/Version")
	if err != nil {
		return "", err
	}
	versions, err := field(response, 1)
	if err == nil && len(versions) != 1 {
		err = errors.New("containerd names no version")
	}
	if err != nil {
		return "", err
	}
	return string(versions[0]), nil
}

// Images are the names of the images that the kubelet sees: names with tags, names with digests, and IDs
// (api/services/images/v1/images.proto: ListImagesResponse.images, Image.name).
func Images(ctx context.Context, socket string) ([]string, error) {
	response, err := call(ctx, socket, "containerd.services.images.v1.Images/List")
	if err != nil {
		return nil, err
	}
	images, err := field(response, 1)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, image := range images {
		name, err := field(image, 1)
		if err != nil {
			return nil, err
		}
		for _, n := range name {
			names = append(names, string(n))
		}
	}
	return names, nil
}

// namespace is where containerd keeps what the kubelet has it do (pkg/cri/constants).
const namespace = "k8s.io"

// maxResponse is the longest message that containerd sends (defaults.DefaultMaxSendMsgSize), in bytes.
const maxResponse = 16 << 20

// call makes one call of gRPC without arguments, as "gRPC over HTTP2" describes it. gRPC's own module would make the
// program larger by a fifth for it.
func call(ctx context.Context, socket, method string) ([]byte, error) {
	const header = 5 // one byte, 0 for a message that is not compressed, and four with the length
	plain := &http.Protocols{}
	plain.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: plain, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/"+method,
		bytes.NewReader(make([]byte, header)))
	if err != nil {
		return nil, fmt.Errorf("ask containerd: %w", err)
	}
	request.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"},
		"Containerd-Namespace": {namespace}}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, fmt.Errorf("ask containerd at %s: %w", socket, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, header+maxResponse))
	if err != nil {
		return nil, fmt.Errorf("read containerd's answer: %w", err)
	}
	// A call that failed at once has its status among the headers.
	status := response.Trailer.Get("Grpc-Status") + response.Header.Get("Grpc-Status")
	if response.StatusCode != http.StatusOK || status != "0" {
		return nil, fmt.Errorf("containerd at %s does not answer %s: HTTP status %d, gRPC status %q", socket, method,
			response.StatusCode, status)
	}
	if len(body) < header || body[0] != 0 || uint64(binary.BigEndian.Uint32(body[1:])) != uint64(len(body)-header) {
		return nil, fmt.Errorf("containerd at %s answers %s with what is no message", socket, method)
	}
	return body[header:], nil
}

// field lists the values of a field of strings or messages, in the wire format of Protocol Buffers.
func field(message []byte, number protowire.Number) ([][]byte, error) {
	var values [][]byte
	for len(message) > 0 {
		num, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil, fmt.Errorf("read containerd's answer: %w", protowire.ParseError(n))
		}
		message = message[n:]
		n = protowire.ConsumeFieldValue(num, kind, message)
		if n < 0 {
			return nil, fmt.Errorf("read containerd's answer: %w", protowire.ParseError(n))
		}
		if num == number && kind == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(message)
			values = append(values, value)
		}
		message = message[n:]
	}
	return values, nil
}
