package await

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// maxObject is far more than a list of nodes or a ConfigMap needs, in bytes.
const maxObject = 16 << 20

// API reads objects of the cluster from the board's own API server.
type API struct{ prober *Prober }

// API is the board's API server, for reading. A request gets patience to be answered.
func (a *Waiter) API(patience time.Duration) (*API, error) {
	p, err := a.Prober(plan.APIServer, patience)
	if err != nil {
		return nil, err
	}
	return &API{p}, nil
}

// Close drops the connection.
func (a *API) Close() { a.prober.Close() }

// Read reads the object at a path, such as /api/v1/nodes, into a value for its JSON.
func (a *API) Read(ctx context.Context, path string, into any) error {
	at, err := url.Parse(a.prober.url)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.Scheme+"://"+at.Host+path, nil)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	req.Header.Set("Accept", "application/json")
	res, err := a.prober.client.Do(req)
	if err != nil {
		return fmt.Errorf("read %s from the API server: %s", path, shorten(err))
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("read %s from the API server: it answers %s", path, printable.Brief(res.Status))
	}
	text, err := safefile.ReadAll(res.Body, path, maxObject)
	if err != nil {
		return fmt.Errorf("read %s from the API server: %w", path, err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read %s from the API server: %w", path, err)
	}
	return nil
}
